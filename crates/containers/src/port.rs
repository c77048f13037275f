//! Ports of this machine's loopback address.

use std::net::{Ipv4Addr, TcpListener};

use crate::{Cause, Trouble};

/// One that nobody listens on.
pub(crate) fn free() -> Result<u16, Trouble> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr()).map_err(|error| {
        Trouble::new(Cause::PortTaken, "no port of this machine is free").said(error.to_string())
    })?;
    Ok(address.port())
}

/// Whether it can be listened on.
///
/// # Errors
///
/// When something else has it, or this user may not.
#[cfg(target_os = "linux")]
pub(crate) fn check(port: u16) -> Result<(), Trouble> {
    let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) else { return Ok(()) };
    let what = match error.kind() {
        std::io::ErrorKind::PermissionDenied => format!("this user may not listen on port {port}"),
        _ => format!("something else listens on port {port}"),
    };
    let fix = format!("see what: ss -ltnp 'sport = :{port}'; or leave the port to be chosen");
    Err(Trouble::new(Cause::PortTaken, what).said(error.to_string()).fix(fix))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_until_somebody_listens() {
        let port = free().unwrap();
        check(port).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let trouble = check(port).unwrap_err();
        assert_eq!(trouble.cause, Cause::PortTaken);
        assert!(trouble.what.contains(&port.to_string()), "{trouble}");
    }
}
