//! The SQLite file beside the runs.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use super::scan::{Fnv, Stamp};
use crate::directory::private_file;

const FILE: &str = ".history.sqlite3";
/// Held, shared, by whoever has the index open; alone, by whoever removes it.
const LOCK: &str = ".history.lock";

/// Of the table below and of what entries say, in SQLite's `user_version`.
const SCHEMA: i64 = 3;

/// What another process does to it is done by then.
const BUSY: Duration = Duration::from_secs(10);

/// What is remembered of one run.
#[derive(Debug)]
pub(super) struct Row {
    /// The name of its directory.
    pub(super) name: String,
    /// What its files looked like.
    pub(super) stamp: Stamp,
    /// What was known then, as JSON.
    pub(super) entry: String,
}

/// The index, open. It is a cache: whatever goes wrong with it, work goes on without.
#[derive(Debug)]
pub(super) struct Index {
    connection: Connection,
    /// It could not be read.
    damaged: bool,
    /// Released when this is dropped.
    _lock: File,
}

/// Why there is no index for now.
enum Trouble {
    /// Nobody can write there, or others do for very long.
    NotNow,
    /// It is damaged, or of another version.
    Useless,
}

impl Index {
    /// `None` where there can be none, as on a read-only disk.
    pub(super) fn open(root: &Path) -> Option<Self> {
        for _ in 0..3 {
            match Self::try_open(root) {
                Ok(index) => return Some(index),
                Err(Trouble::NotNow) => return None,
                Err(Trouble::Useless) => discard(root)?,
            }
        }
        None
    }

    fn try_open(root: &Path) -> Result<Self, Trouble> {
        let lock = lock_file(root).ok_or(Trouble::NotNow)?;
        lock.lock_shared().map_err(|_| Trouble::NotNow)?;
        let connection = connect(&root.join(FILE))?;
        Ok(Self { connection, damaged: false, _lock: lock })
    }

    /// What is remembered, by the name of the directory; without rows that are damaged.
    pub(super) fn rows(&mut self) -> HashMap<String, Row> {
        let rows = self.read_rows();
        self.damaged = rows.as_ref().is_err_and(is_damage);
        rows.unwrap_or_default()
    }

    fn read_rows(&self) -> rusqlite::Result<HashMap<String, Row>> {
        let mut rows = HashMap::new();
        let mut select = self.connection.prepare("SELECT name, stamp, sum, entry FROM runs")?;
        let mut found = select.query([])?;
        while let Some(found) = found.next()? {
            let stamp = Stamp(found.get::<_, i64>(1)?.cast_unsigned());
            let row = Row { name: found.get(0)?, stamp, entry: found.get(3)? };
            if sum(&row) == found.get::<_, i64>(2)? {
                rows.insert(row.name.clone(), row);
            }
        }
        Ok(rows)
    }

    /// Remembers `changed` and forgets `gone`. What cannot be remembered is read again next time.
    pub(super) fn update(mut self, root: &Path, changed: &[Row], gone: &[&str]) {
        let damaged = self.damaged || self.write(changed, gone).is_err_and(|e| is_damage(&e));
        drop(self);
        if damaged {
            discard(root);
        }
    }

    fn write(&mut self, changed: &[Row], gone: &[&str]) -> rusqlite::Result<()> {
        if changed.is_empty() && gone.is_empty() {
            return Ok(());
        }
        // At once for writing: a transaction that only then wants to write may find that it is too late.
        let all = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = all.prepare_cached(
                "INSERT OR REPLACE INTO runs (name, stamp, sum, entry) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for row in changed {
                let stamp = row.stamp.0.cast_signed();
                insert.execute(params![row.name, stamp, sum(row), row.entry])?;
            }
            let mut delete = all.prepare_cached("DELETE FROM runs WHERE name = ?1")?;
            for name in gone {
                delete.execute([name])?;
            }
        }
        all.commit()
    }
}

fn lock_file(root: &Path) -> Option<File> {
    private_file().read(true).write(true).create(true).truncate(false).open(root.join(LOCK)).ok()
}

fn connect(path: &Path) -> Result<Connection, Trouble> {
    // SQLite would let everybody read it, and gives the files beside it the rights that this one has.
    let made = private_file().write(true).create(true).truncate(false).open(path);
    made.map_err(|_| Trouble::NotNow)?;
    let mut tries = 0;
    loop {
        match try_connect(path) {
            Ok(Some(connection)) => return Ok(connection),
            Ok(None) => return Err(Trouble::Useless),
            Err(error) if is_damage(&error) => return Err(Trouble::Useless),
            // Changing to WAL does not wait for others as everything else does.
            Err(error) if is_busy(&error) && tries < 50 => {
                tries += 1;
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(_) => return Err(Trouble::NotNow),
        }
    }
}

/// `None` if a file of another version is there.
fn try_connect(path: &Path) -> rusqlite::Result<Option<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    if version(&connection)? == 0 {
        let setup = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been quicker.
        if version(&setup)? == 0 {
            setup.execute_batch(
                "CREATE TABLE runs (
                     name TEXT PRIMARY KEY,
                     stamp INTEGER NOT NULL,
                     sum INTEGER NOT NULL,
                     entry TEXT NOT NULL
                 ) STRICT",
            )?;
            setup.pragma_update(None, "user_version", SCHEMA)?;
        }
        setup.commit()?;
    }
    Ok((version(&connection)? == SCHEMA).then_some(connection))
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whatever neither other processes nor a lack of room or rights explain.
fn is_damage(error: &rusqlite::Error) -> bool {
    let innocent = [
        ErrorCode::CannotOpen,
        ErrorCode::DatabaseBusy,
        ErrorCode::DatabaseLocked,
        ErrorCode::DiskFull,
        ErrorCode::OutOfMemory,
        ErrorCode::PermissionDenied,
        ErrorCode::ReadOnly,
    ];
    !error.sqlite_error_code().is_some_and(|code| innocent.contains(&code))
}

/// Removes the index once nobody has it open: a file that is removed from under SQLite takes the next one
/// with it. `None` if somebody has.
fn discard(root: &Path) -> Option<()> {
    let lock = lock_file(root)?;
    lock.try_lock().ok()?;
    for end in ["", "-wal", "-shm"] {
        let path: PathBuf = root.join(format!("{FILE}{end}"));
        if let Err(error) = fs::remove_file(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return None;
        }
    }
    Some(())
}

/// SQLite does not notice a changed byte; this does.
fn sum(row: &Row) -> i64 {
    let mut hash = Fnv::default();
    hash.bytes(row.name.as_bytes());
    hash.bytes(&row.stamp.0.to_le_bytes());
    hash.bytes(row.entry.as_bytes());
    hash.0.cast_signed()
}
