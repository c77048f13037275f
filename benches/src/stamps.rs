//! The kernel's receive stamps (`SO_TIMESTAMPNS`).

use std::{
    io::{self, IoSliceMut},
    net::UdpSocket,
    os::fd::RawFd,
};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
};

use crate::clock::stamp_to_monotonic;

/// Switches stamping on for the machine while the returned socket lives.
///
/// The kernel does it by deferred work, so the first socket that asks misses its first stamps.
///
/// # Errors
///
/// When the socket cannot be opened or stamped.
pub fn prime_stamps() -> io::Result<UdpSocket> {
    let idle = UdpSocket::bind("127.0.0.1:0")?;
    setsockopt(&idle, ReceiveTimestampns, &true)?;
    Ok(idle)
}

/// One `recvmsg` without waiting: bytes read, and when they arrived if the kernel stamped them.
///
/// # Errors
///
/// Those of `recvmsg(2)`; `WouldBlock` when nothing is there.
pub fn recv_stamped(
    socket: RawFd,
    buffer: &mut [u8],
    control: &mut [u8],
) -> io::Result<(usize, Option<u64>)> {
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket, &mut slices, Some(control), MsgFlags::MSG_DONTWAIT)?;
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
        _ => None,
    });
    Ok((message.bytes, stamp.and_then(stamp_to_monotonic)))
}
