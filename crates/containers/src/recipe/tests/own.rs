use super::*;

#[test]
fn a_users_recipe_lies_over_the_engines() {
    let recipe = Recipe::parse(
        "extends = \"vllm\"\nimage = \"acme/vllm:1\"\nargs = [\"--max-model-len\", \"4096\"]\nhealth = \"/ok\"\n\
         [env]\nA = \"{port}\"\n[variants.cpu]\nshm = \"8g\"\n[variants.small]\nargs = [\"--max-model-len=1\"]\n",
    )
    .unwrap();
    assert_eq!(recipe.variants().collect::<Vec<_>>(), ["cpu", "cuda12", "dgx-spark", "small"]);
    let launch = |variant: Option<&str>| {
        let asked = Asked { variant: variant.map(str::to_owned), ..asked("a/b") };
        recipe.launch(&asked, &host()).unwrap()
    };
    let plain = launch(None);
    assert_eq!(plain.args.last().unwrap(), "4096");
    assert_eq!(
        (plain.health.as_str(), &plain.env["A"]),
        ("/ok", &crate::Variable::Text("8000".to_owned()))
    );
    assert_eq!(launch(Some("small")).args.last().unwrap(), "--max-model-len=1");
    let cpu = launch(Some("cpu"));
    assert_eq!((cpu.shm_bytes, cpu.gpus), (Some(8 << 30), Gpus::None));
    for (wrong, expected) in [
        ("image = \"x\"", "by `extends`"),
        ("extends = \"vllm\"\nimmage = \"x\"", "in line 2, unknown field `immage`"),
        ("extends = \"none\"", "unknown variant `none`"),
        ("extends = \"vllm\"\nshm = \"much\"", "no size"),
        ("extends = \"vllm\"\ngpus = \"many\"", "no GPUs"),
    ] {
        let said = Recipe::parse(wrong).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_recipe_that_cannot_be_read_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let trouble = Recipe::read(&path).unwrap_err();
    assert!(trouble.what.contains("mine.toml"), "{trouble}");
    fs::write(&path, "extends = \"ollama\"\nport = 99999").unwrap();
    let trouble = Recipe::read(&path).unwrap_err();
    assert!(trouble.what.contains("mine.toml") && trouble.what.contains("in line 2,"), "{trouble}");
}

#[test]
fn what_the_docs_say_of_recipes_holds() {
    let docs = include_str!("../../../../../docs/containers.md");
    let (_, example) = docs.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let recipe = Recipe::parse(example).unwrap();
    assert!(recipe.variants().any(|variant| variant == "eager"));
    for engine in EngineName::ALL {
        let Recipe { parts, .. } = Recipe::of(engine);
        let row = docs.lines().find(|line| line.starts_with(&format!("| `{engine}` |"))).unwrap();
        let port = parts.port.unwrap().to_string();
        assert!(row.contains(&port) && row.contains(&parts.image.unwrap_or_default()), "{row}");
        for variant in parts.variants.keys() {
            assert!(row.contains(&format!("`{variant}`")), "{row}");
        }
    }
}
