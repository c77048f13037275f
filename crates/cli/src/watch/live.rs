//! The page, drawn again and again until somebody leaves.

use std::{io, time::Duration};

use bench_core::{Clock, Level, Polling, Stop};
use bench_harness::{Code, Exit, Failure};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::time::Instant;

use super::{page, page::View, state::State};
use crate::term::Screen;

/// Time from one picture to the next, where nothing is typed; and at least.
const SHOWN_EVERY: Duration = Duration::from_millis(250);
const SHOWN_AT_MOST_EVERY: Duration = Duration::from_millis(125);

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Quit,
    Freeze,
    Help,
    Up,
    Down,
}

/// Shows what is read until a key, `stop` or the end of the terminal ends it.
pub(super) fn live(
    polling: &Polling,
    clock: Clock,
    view: View,
    stop: &Stop,
) -> Result<Exit, Failure> {
    match show(polling, clock, view, stop) {
        Ok(()) => Ok(Exit::Ok),
        // As if the signal had come that tells of a hang-up.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Exit::Terminated),
        Err(error) => Err(Failure::new(Code::Resource, "the terminal cannot be drawn on")
            .said(error.to_string())
            .fix("--once")),
    }
}

fn show(polling: &Polling, clock: Clock, mut view: View, stop: &Stop) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let mut state = State::default();
    let mut frozen: Option<State> = None;
    while stop.level() == Level::Go {
        polling.take().for_each(|batch| state.add(batch));
        state.now = clock.now();
        let shown = frozen.as_ref().unwrap_or(&state);
        screen.draw(|area, buffer| page::draw(shown, &view, area, buffer))?;
        let mut is_over = false;
        keys(&screen, stop, |does| {
            match does {
                Does::Quit => is_over = true,
                Does::Freeze if frozen.is_none() => frozen = Some(state.clone()),
                Does::Freeze => frozen = None,
                Does::Help => (view.is_help, view.scrolled) = (!view.is_help, 0),
                Does::Up => view.scrolled = view.scrolled.saturating_sub(1),
                // No page has more lines than this.
                Does::Down => view.scrolled = (view.scrolled + 1).min(10_000),
            }
            view.is_frozen = frozen.is_some();
            is_over
        })?;
        if is_over {
            break;
        }
    }
    Ok(())
}

/// Hands each key to `act` until the next picture is due, sooner if one was typed, or `act` says that it is over.
fn keys(screen: &Screen, stop: &Stop, mut act: impl FnMut(Does) -> bool) -> io::Result<()> {
    let began = Instant::now();
    let mut lasts = SHOWN_EVERY;
    loop {
        let left = lasts.saturating_sub(began.elapsed()).min(SHOWN_AT_MOST_EVERY);
        if left.is_zero() || stop.level() > Level::Go {
            return Ok(());
        }
        let Some(event) = screen.event(left)? else { continue };
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                lasts = SHOWN_AT_MOST_EVERY;
                if meaning(key).is_some_and(&mut act) {
                    return Ok(());
                }
            }
            Event::Resize(..) => lasts = SHOWN_AT_MOST_EVERY,
            _ => {}
        }
    }
}

fn meaning(key: KeyEvent) -> Option<Does> {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Does::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Does::Quit),
        KeyCode::Char(' ') => Some(Does::Freeze),
        KeyCode::Char('?' | 'h') => Some(Does::Help),
        KeyCode::Up | KeyCode::Char('k') => Some(Does::Up),
        KeyCode::Down | KeyCode::Char('j') => Some(Does::Down),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_page_says() {
        let of = |code, modifiers| meaning(KeyEvent::new(code, modifiers));
        let plain = KeyModifiers::NONE;
        for (code, does) in [
            (KeyCode::Char('q'), Some(Does::Quit)),
            (KeyCode::Esc, Some(Does::Quit)),
            (KeyCode::Char(' '), Some(Does::Freeze)),
            (KeyCode::Char('?'), Some(Does::Help)),
            (KeyCode::Down, Some(Does::Down)),
            (KeyCode::Char('c'), None),
        ] {
            assert_eq!(of(code, plain), does);
        }
        assert_eq!(of(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Does::Quit));
    }
}
