//! The folders that a server writes to: they have to be there before it is.

use std::{fs, io, path::Path};

use crate::{Cause, EngineName, Launch, Trouble};

/// Makes the folders of this machine that a server is to write to, such as caches of models. What is in them stays.
///
/// NIM's images run as a user of their own, whoever that is, so its folders can be written to by all, as NVIDIA's
/// playbook for DGX Spark has it (`chmod -R a+w`).
///
/// # Errors
///
/// When one cannot be made, or the image's user could not write to it.
pub fn prepare_folders(launch: &Launch) -> Result<(), Trouble> {
    for mount in launch.mounts.iter().filter(|mount| !mount.read_only) {
        let path = &mount.outside;
        make(path).map_err(|error| trouble(path, "cannot be made", &error))?;
        if launch.engine == EngineName::Nim {
            open_to_all(path)
                .map_err(|error| trouble(path, "cannot be opened to NIM's user", &error))?;
        }
    }
    Ok(())
}

fn trouble(path: &Path, what: &str, error: &io::Error) -> Trouble {
    let path = path.display();
    let cause = match error.kind() {
        io::ErrorKind::StorageFull => Cause::DiskFull,
        _ => Cause::Recipe,
    };
    Trouble::new(cause, format!("the folder {path} {what}"))
        .said(error.to_string())
        .fix(format!("sudo mkdir -p {path} && sudo chmod -R a+w {path}; or name another folder"))
}

fn make(path: &Path) -> io::Result<()> {
    // Whatever is mounted there already, such as a file, is the user's choice.
    if path.exists() { Ok(()) } else { fs::create_dir_all(path) }
}

/// Lets everybody write to a folder, and to what is in it as far as it is ours. The folder itself may be a link.
#[cfg(unix)]
fn open_to_all(path: &Path) -> io::Result<()> {
    // As many files as a cache of some hundred models has.
    const MOST: usize = 100_000;
    let path = fs::canonicalize(path)?;
    open_one(&path)?;
    let mut folders = vec![path];
    let mut left = MOST;
    while let Some(folder) = folders.pop() {
        // What another user made there is that user's, and NIM's own where NIM made it.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten().take(left) {
            left -= 1;
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_symlink() || open_one(&entry.path()).is_err() {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Lets everybody write to a file or a folder that is no link: others may put one there at any moment, and it would lead
/// to what is nobody else's.
#[cfg(unix)]
fn open_one(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

    use nix::fcntl::OFlag;

    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = fs::File::options().read(true).custom_flags(flags).open(path)?;
    let mode = file.metadata()?.permissions().mode();
    match mode & 0o222 {
        0o222 => Ok(()),
        _ => file.set_permissions(fs::Permissions::from_mode(mode | 0o222)),
    }
}

#[cfg(not(unix))]
fn open_to_all(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::{Asked, HostFacts, Mount, Recipe};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn launch(engine: EngineName, folder: &Path, read_only: bool) -> Launch {
        let asked = Asked { model: "a/b".to_owned(), ..Asked::default() };
        let mut host = HostFacts { home: Some(folder.to_owned()), ..HostFacts::default() };
        host.set.insert("NGC_API_KEY".to_owned());
        let mut launch = Recipe::of(engine).launch(&asked, &host).unwrap();
        let mount = Mount { outside: folder.join("other"), inside: "/other".to_owned(), read_only };
        launch.mounts.push(mount);
        launch
    }

    #[test]
    fn nims_cache_can_be_written_to_by_its_user() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join(".cache/nim");
        let within = cache.join("ngc/hub");
        fs::create_dir_all(&within).unwrap();
        fs::write(within.join("blob"), "").unwrap();
        let outside = home.path().join("outside");
        fs::write(&outside, "").unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&outside, within.join("link")).unwrap();
        prepare_folders(&launch(EngineName::Nim, home.path(), true)).unwrap();
        for path in [&cache, &within, &within.join("blob")] {
            assert_eq!(mode(path) & 0o222, 0o222, "{}", path.display());
        }
        assert_eq!(mode(&outside), 0o600);
        assert!(!home.path().join("other").exists(), "what is only read is not made");
    }

    #[test]
    fn a_cache_that_is_a_link_is_opened_where_it_is() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = home.path().join("disk");
        fs::create_dir_all(elsewhere.join("ngc")).unwrap();
        fs::create_dir(home.path().join(".cache")).unwrap();
        symlink(&elsewhere, home.path().join(".cache/nim")).unwrap();
        prepare_folders(&launch(EngineName::Nim, home.path(), true)).unwrap();
        assert_eq!(mode(&elsewhere) & 0o222, 0o222);
        assert_eq!(mode(&elsewhere.join("ngc")) & 0o222, 0o222);
    }

    #[test]
    fn other_caches_are_made_and_are_the_users_own() {
        let home = tempfile::tempdir().unwrap();
        prepare_folders(&launch(EngineName::Vllm, home.path(), false)).unwrap();
        assert_eq!(mode(&home.path().join(".cache/huggingface")) & 0o002, 0);
        assert!(home.path().join("other").is_dir());
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_so() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".cache"), "").unwrap();
        let trouble = prepare_folders(&launch(EngineName::Vllm, home.path(), true)).unwrap_err();
        assert!(trouble.what.contains(".cache/huggingface"), "{trouble:?}");
    }
}
