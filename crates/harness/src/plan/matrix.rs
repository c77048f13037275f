//! Named pairs of input and output lengths, so that servers are compared by the same ones.

use super::MatrixName;

/// A pair of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Input tokens.
    pub isl: u32,
    /// Output tokens.
    pub osl: u32,
    /// What it is hard on.
    pub category: Category,
    /// What tables call it.
    pub label: &'static str,
    /// Whether it is the one that is quoted where there is room for one.
    pub primary: bool,
}

/// What a pair of lengths is hard on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// As much in as out.
    Balanced,
    /// Far more in than out: reading the prompt takes most of the work.
    PrefillHeavy,
    /// Far more out than in: so does writing the answer.
    DecodeHeavy,
}

impl Category {
    /// Its name: `balanced`, `prefill-heavy` or `decode-heavy`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::PrefillHeavy => "prefill-heavy",
            Self::DecodeHeavy => "decode-heavy",
        }
    }
}

const fn cell(isl: u32, osl: u32, label: &'static str) -> Cell {
    let category = if isl == osl {
        Category::Balanced
    } else if isl > osl {
        Category::PrefillHeavy
    } else {
        Category::DecodeHeavy
    };
    Cell { isl, osl, category, label, primary: isl == 1024 && osl == 1024 }
}

const CORE: [Cell; 5] = [
    cell(128, 128, "128/128"),
    cell(256, 256, "256/256"),
    cell(1024, 1024, "1024/1024"),
    cell(1024, 128, "1024/128"),
    cell(128, 1024, "128/1024"),
];

const EXTENDED: [Cell; 11] = [
    cell(4096, 256, "4096/256"),
    cell(4096, 4096, "4096/4096"),
    cell(8192, 1024, "8192/1024"),
    cell(8192, 8192, "8192/8192"),
    cell(16384, 512, "16384/512"),
    cell(256, 4096, "256/4096"),
    cell(1024, 8192, "1024/8192"),
    cell(32768, 256, "32768/256"),
    cell(256, 16384, "256/16384"),
    cell(65536, 256, "65536/256"),
    cell(256, 65536, "256/65536"),
];

/// The pairs of a matrix, in order of measurement.
pub fn cells(name: MatrixName) -> Vec<Cell> {
    match name {
        MatrixName::Core => CORE.to_vec(),
        MatrixName::Extended => EXTENDED.to_vec(),
        MatrixName::All => [&CORE[..], &EXTENDED].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_say_the_lengths_and_one_pair_is_the_primary_one() {
        let all = cells(MatrixName::All);
        assert_eq!(all.len(), 16);
        for cell in &all {
            assert_eq!(cell.label, format!("{}/{}", cell.isl, cell.osl));
        }
        let primary: Vec<&str> = all.iter().filter(|c| c.primary).map(|c| c.label).collect();
        assert_eq!(primary, ["1024/1024"]);
        assert_eq!(all[3].category.name(), "prefill-heavy");
    }
}
