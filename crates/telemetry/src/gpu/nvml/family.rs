//! Whose a process is.

use std::path::Path;

use crate::processes::parent;

/// How far up a process is looked for its ancestors; more than this is a loop, as of a reused number.
const GENERATIONS: usize = 64;

/// Whether `pid` is one of `family` or comes from one of them; `None` if the kernel does not tell, as of a process of
/// another namespace, which a driver counts otherwise.
pub(super) fn is_of(root: &Path, pid: u32, family: &[u32]) -> Option<bool> {
    let mut pid = pid;
    for generation in 0..GENERATIONS {
        if family.contains(&pid) {
            return Some(true);
        }
        match parent(root, pid) {
            Some(0) => return Some(false),
            Some(parent) => pid = parent,
            // Its parent ended meanwhile: it is nobody's that we know.
            None if generation > 0 => return Some(false),
            None => return None,
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn descendants_are_of_the_family() {
        let root = tempfile::tempdir().unwrap();
        let stats = [
            (10, "10 (server) S 1 10"),
            (11, "11 (a (b) R 7) S 10 10"),
            (12, "12 (worker) S 11 10"),
            (20, "20 (other) S 1 20"),
            (21, "21 (orphan) S 9999 20"),
            (30, "30 (loop) S 31 1"),
            (31, "31 (loop) S 30 1"),
        ];
        for (pid, stat) in stats {
            let folder = root.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("stat"), stat).unwrap();
        }
        let is_of = |pid| is_of(root.path(), pid, &[10]);
        assert_eq!([10, 11, 12].map(is_of), [Some(true); 3]);
        assert_eq!([20, 21, 30].map(is_of), [Some(false); 3]);
        assert_eq!(is_of(40), None, "nobody knows it here");
    }
}
