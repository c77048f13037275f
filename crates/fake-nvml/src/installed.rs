//! The test's half: a library with a script in a folder of its own.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{Device, Script};

const FILE: &str = "libfake_nvml.so";
/// As the loader looks for it.
const SONAME: &str = "libnvidia-ml.so.1";

/// A copy of the library with its script, which goes with this value.
#[derive(Debug)]
pub struct Installed {
    folder: TempDir,
    script: Script,
}

impl Installed {
    /// Puts a library that says `script` into a folder of its own.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or the library has not been built, which it is for whoever depends on this crate.
    pub fn new(script: Script) -> io::Result<Self> {
        let installed = Self { folder: tempfile::tempdir()?, script };
        fs::copy(built()?, installed.library())?;
        installed.write()?;
        Ok(installed)
    }

    /// The same without `symbol`, as of a driver that is older than the function.
    ///
    /// # Errors
    ///
    /// As of [`Installed::new`], or when the library does not export `symbol`.
    pub fn without(script: Script, symbol: &str) -> io::Result<Self> {
        let installed = Self::new(script)?;
        let mut library = fs::read(installed.library())?;
        // The name in the table of symbols, which the loader compares whatever its hash says.
        let name = [b"\0", symbol.as_bytes(), b"\0"].concat();
        let mut found = 0;
        for at in 0..library.len().saturating_sub(name.len()) {
            if library[at..].starts_with(&name) {
                library[at + symbol.len()] = b'!';
                found += 1;
            }
        }
        if found == 0 {
            return Err(io::Error::other(format!("the library exports no {symbol}")));
        }
        fs::write(installed.library(), library)?;
        Ok(installed)
    }

    /// The path of the library.
    pub fn library(&self) -> PathBuf {
        self.folder.path().join(SONAME)
    }

    /// The folder that it is in, such as for `LD_LIBRARY_PATH`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Changes what a live library says from its next call on.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn rewrite(&mut self, change: impl FnOnce(&mut Script)) -> io::Result<()> {
        change(&mut self.script);
        self.write()
    }

    /// Changes what a live library says of one GPU.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn rewrite_device(
        &mut self,
        index: usize,
        change: impl FnOnce(Device) -> Device,
    ) -> io::Result<()> {
        self.rewrite(|script| {
            let device = std::mem::take(&mut script.devices[index]);
            script.devices[index] = change(device);
        })
    }

    /// How often each function was called until NVML was shut down; `None` before.
    pub fn calls(&self) -> Option<BTreeMap<String, u64>> {
        let calls = fs::read(self.folder.path().join("calls.json")).ok()?;
        serde_json::from_slice(&calls).ok()
    }

    fn write(&self) -> io::Result<()> {
        // Whoever reads meanwhile sees the one or the other.
        let new = self.folder.path().join("script.new");
        fs::write(&new, serde_json::to_vec(&self.script)?)?;
        fs::rename(new, self.folder.path().join("script.json"))
    }
}

/// Where cargo puts the library: beside the executables of tests, or one folder above those of the workspace.
fn built() -> io::Result<PathBuf> {
    let exe = env::current_exe()?;
    let folders = exe.ancestors().skip(1).take(2);
    folders
        .flat_map(|folder| [folder.join("deps").join(FILE), folder.join(FILE)])
        .find(|path| path.exists())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("{FILE} is not beside {}", exe.display()),
            )
        })
}
