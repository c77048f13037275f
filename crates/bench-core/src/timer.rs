//! Sleeps finer than tokio's: its timer wheel moves in steps of 1 ms, an arrival schedule does not.

use tokio::time::Instant;

/// Wakes one task at an exact moment.
///
/// On Linux it waits on a timerfd, which the kernel fires from its high-resolution clock; elsewhere it
/// sleeps with tokio to within 2 ms and yields from there on, which costs CPU. A timer belongs to the
/// runtime it was made in.
#[derive(Debug)]
pub struct Timer {
    #[cfg(target_os = "linux")]
    fd: Option<tokio::io::unix::AsyncFd<TimerFd>>,
    fine: bool,
}

impl Timer {
    /// A timer as fine as the platform has one. Falls back to tokio's wheel if the kernel gives no
    /// timer, such as when no file descriptor is left.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with IO enabled.
    pub fn fine() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            fd: TimerFd::registered().ok(),
            fine: true,
        }
    }

    /// A timer on tokio's wheel: what tests on paused time need.
    pub fn coarse() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            fd: None,
            fine: false,
        }
    }

    /// Returns at `at`, never before it.
    ///
    /// Dropping the future leaves the timer usable.
    pub async fn sleep_until(&mut self, at: Instant) {
        #[cfg(target_os = "linux")]
        if let Some(fd) = &mut self.fd
            && TimerFd::wait(fd, at).await.is_ok()
        {
            return;
        }
        if !self.fine {
            return tokio::time::sleep_until(at).await;
        }
        let nearly = at - std::time::Duration::from_millis(2);
        if Instant::now() < nearly {
            tokio::time::sleep_until(nearly).await;
        }
        while Instant::now() < at {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(target_os = "linux")]
#[derive(Debug)]
struct TimerFd(nix::sys::timerfd::TimerFd);

#[cfg(target_os = "linux")]
impl TimerFd {
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose descriptor changes: this one's never does"
    )]
    fn registered() -> std::io::Result<tokio::io::unix::AsyncFd<Self>> {
        use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        tokio::io::unix::AsyncFd::new(Self(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?))
    }

    async fn wait(fd: &mut tokio::io::unix::AsyncFd<Self>, at: Instant) -> std::io::Result<()> {
        use nix::sys::{
            time::TimeSpec,
            timerfd::{Expiration, TimerSetTimeFlags},
        };
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            // Arming again forgets an expiry that a dropped future left unread.
            let expiration = Expiration::OneShot(TimeSpec::from_duration(left));
            fd.get_ref().0.set(expiration, TimerSetTimeFlags::empty())?;
            let mut ready = fd.readable_mut().await?;
            match ready.try_io(|fd| Ok(fd.get_ref().0.wait()?)) {
                Ok(Err(error)) if error.kind() != std::io::ErrorKind::WouldBlock => {
                    return Err(error);
                }
                // Not yet, or a stale readiness: the loop looks at the clock again.
                _ => {}
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsRawFd for TimerFd {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsFd;
        self.0.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn never_wakes_early_and_survives_a_dropped_sleep() {
        let mut timer = Timer::fine();
        for micros in [0, 1, 50, 300, 1_100, 2_500] {
            let at = Instant::now() + Duration::from_micros(micros);
            timer.sleep_until(at).await;
            assert!(Instant::now() >= at, "woke before {micros} us were over");
        }
        let soon = Instant::now() + Duration::from_micros(200);
        let _ = tokio::time::timeout(Duration::ZERO, timer.sleep_until(soon)).await;
        let later = Instant::now() + Duration::from_millis(3);
        timer.sleep_until(later).await;
        assert!(Instant::now() >= later);
    }

    #[tokio::test(start_paused = true)]
    async fn a_coarse_timer_moves_paused_time() {
        let at = Instant::now() + Duration::from_secs(3_600);
        Timer::coarse().sleep_until(at).await;
        assert_eq!(Instant::now(), at);
    }
}
