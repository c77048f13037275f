//! What went over interfaces and to disks since the start.

/// The kernel counts in these, whatever a disk has.
const SECTOR_BYTES: u64 = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InterfaceCount {
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// Packets dropped or faulty, both ways.
    pub(super) dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DiskCount {
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
}

/// The lines of `/proc/net/dev` that are as they should be.
pub(super) fn interfaces(text: &str) -> impl Iterator<Item = (&str, InterfaceCount)> {
    text.lines().filter_map(|line| {
        // A name may hold a colon, as aliases had it; numbers do not.
        let (name, fields) = line.rsplit_once(':')?;
        // Received: bytes, packets, errors, dropped and four more; then sent, likewise.
        let [
            received_bytes,
            _,
            rx_errors,
            rx_dropped,
            _,
            _,
            _,
            _,
            sent_bytes,
            _,
            tx_errors,
            tx_dropped,
        ] = numbers(fields.split_ascii_whitespace())?;
        let dropped =
            [rx_dropped, tx_errors, tx_dropped].into_iter().fold(rx_errors, u64::saturating_add);
        Some((name.trim(), InterfaceCount { sent_bytes, received_bytes, dropped }))
    })
}

/// The lines of `/proc/diskstats` that are as they should be: disks, their parts and volumes.
pub(super) fn disks(text: &str) -> impl Iterator<Item = (&str, DiskCount)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.nth(2)?;
        // Reads, merged, sectors, milliseconds; then writes, likewise.
        let [_, _, read, _, _, _, written] = numbers(fields)?;
        let read_bytes = read.checked_mul(SECTOR_BYTES)?;
        Some((name, DiskCount { read_bytes, written_bytes: written.checked_mul(SECTOR_BYTES)? }))
    })
}

/// The first numbers of `fields`, if there are so many.
fn numbers<'a, const N: usize>(mut fields: impl Iterator<Item = &'a str>) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = fields.next()?.parse().ok()?;
    }
    Some(numbers)
}
