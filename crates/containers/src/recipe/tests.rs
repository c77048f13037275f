use super::*;

#[test]
fn every_recipe_is_well_formed() {
    for engine in EngineName::ALL {
        assert_eq!(Recipe::of(engine).engine(), engine);
    }
}
