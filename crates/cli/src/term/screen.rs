//! The terminal as a page, until it is given back.

use std::io;

use ratatui::{DefaultTerminal, buffer::Buffer, layout::Rect};

/// The terminal in raw mode, on a page of its own. It is given back when this is dropped, and by a panic.
///
/// Signals do not drop anything: whoever opens one listens for those that would end the process.
#[derive(Debug)]
pub(crate) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// When standard output is none.
    pub(crate) fn open() -> io::Result<Self> {
        // It gives the terminal back itself where it fails half-way, or panics later.
        ratatui::try_init().map(Self)
    }

    /// Draws a page; only what has changed is written.
    pub(crate) fn draw(&mut self, page: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        self.0.draw(|frame| page(frame.area(), frame.buffer_mut())).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _ = ratatui::try_restore();
    }
}
