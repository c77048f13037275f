//! The tables as the tool prints them.

use std::io::{self, Write};

use super::{Cell, Parameters, Statistics, Table};

/// The line between parts.
const SEPARATOR: &str = "----------------------------------------------------------------------------------------------------";

pub(super) fn write(
    out: &mut dyn Write,
    parameters: &Parameters,
    statistics: &[Statistics],
) -> io::Result<()> {
    writeln!(out, "{SEPARATOR}\nParameters:")?;
    for (name, value) in parameters.table() {
        let value = match value {
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) => text,
            Cell::Nothing => "None".to_owned(),
        };
        writeln!(out, "{name}={value}")?;
    }
    if !parameters.generation.is_empty() {
        writeln!(out, "Conversations Generation Parameters:")?;
        for (name, value) in &parameters.generation {
            writeln!(out, "{name}={value}")?;
        }
    }
    writeln!(out, "{SEPARATOR}")?;
    for of in statistics {
        match of.warm_up_share > 0.0 || statistics.len() > 1 {
            true => writeln!(
                out,
                "Statistics summary (assuming {:.0}% warmup samples):",
                of.warm_up_share * 100.0
            )?,
            false => writeln!(out, "Statistics summary:")?,
        }
        for (name, value) in of.parameters() {
            writeln!(out, "{name} = {value:.3}")?;
        }
        writeln!(out, "{SEPARATOR}")?;
        table(out, &of.table)?;
        writeln!(out, "{SEPARATOR}")?;
    }
    Ok(())
}

/// As pandas prints a table: names to the left, numbers to the right; counts with one decimal, others with two.
fn table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    let number = |column: usize, value: f64| match (column, value.is_nan()) {
        (_, true) => "NaN".to_owned(),
        (0, false) => format!("{value:.1}"),
        (_, false) => format!("{value:.2}"),
    };
    let cells: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|(_, values)| values.iter().enumerate().map(|(n, v)| number(n, *v)).collect())
        .collect();
    let label = table.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let widest = cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
        widest.max(table.columns[column].len())
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    write!(out, "{:label$}", "")?;
    for (name, width) in table.columns.iter().zip(&widths) {
        write!(out, "  {name:>width$}")?;
    }
    writeln!(out)?;
    for ((name, _), row) in table.rows.iter().zip(&cells) {
        write!(out, "{name:label$}")?;
        for (cell, width) in row.iter().zip(&widths) {
            write!(out, "  {cell:>width$}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
