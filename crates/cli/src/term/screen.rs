//! The terminal as a page, until it is given back.

use std::{
    io::{self, Stdout},
    mem::ManuallyDrop,
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    buffer::Buffer,
    crossterm::{
        cursor::Show,
        event::Event,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
    layout::Rect,
};

use super::keys::Keys;

/// The terminal in raw mode, on a page of its own. It is given back when this is dropped, and when the thread that
/// opened it panics.
///
/// Signals do not drop anything: whoever opens one listens for those that would end the process.
#[derive(Debug)]
pub(crate) struct Screen {
    /// Never dropped: where the cursor cannot be shown any more, it would say so on a standard error that may be gone
    /// as well, and panic. [`give_back`] shows it.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    keys: Keys,
}

/// Whether the terminal is taken.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// When standard output is none.
    pub(crate) fn open() -> io::Result<Self> {
        hear_panics();
        IS_TAKEN.store(true, Ordering::Relaxed);
        let taken = enable_raw_mode().and_then(|()| execute!(io::stdout(), EnterAlternateScreen));
        let opened = taken.and_then(|()| {
            let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
            Ok(Self { terminal: ManuallyDrop::new(terminal), keys: Keys::listen()? })
        });
        opened.inspect_err(|_| give_back())
    }

    /// Draws a page; only what has changed is written.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] when the terminal is gone.
    pub(crate) fn draw(&mut self, page: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        let drawn = self.terminal.draw(|frame| page(frame.area(), frame.buffer_mut())).map(drop);
        drawn.map_err(|error| if self.keys.are_gone() { gone() } else { error })
    }

    /// What is typed, or happens otherwise, within `time`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] when the terminal is gone.
    pub(crate) fn event(&self, time: Duration) -> io::Result<Option<Event>> {
        let event = self.keys.next(time)?;
        if event.is_none() && self.keys.are_gone() { Err(gone()) } else { Ok(event) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn gone() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

fn give_back() {
    if IS_TAKEN.swap(false, Ordering::Relaxed) {
        // A terminal that is gone needs nothing any more.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Has a panic of this thread give the terminal back before it is told. That of another, such as of a source, ends
/// that thread alone: told now, it would be written across the page.
fn hear_panics() {
    let own = thread::current().id();
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().id() == own {
            give_back();
        }
        if !IS_TAKEN.load(Ordering::Relaxed) {
            tell(panic);
        }
    }));
}
