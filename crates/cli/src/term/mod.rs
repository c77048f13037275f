//! What pages on a terminal are made of: a screen that is given back whatever happens, rows that leave out what has
//! no room, bars and sparklines.

mod keys;
mod marks;
mod row;
mod screen;

pub(crate) use self::{marks::Marks, row::Row, screen::Screen};
