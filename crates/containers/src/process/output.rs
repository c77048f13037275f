//! Programs that run to their end.

use std::{io, process::Stdio, time::Duration};

use tokio::{
    io::AsyncReadExt,
    process::{ChildStdout, Command},
    time::timeout,
};

use super::family::Family;
use crate::{Output, environment::Mask, lines::Lines, owner::Owner};

/// More of what a program says is not kept, in bytes.
const MOST_TEXT: usize = 4 << 20;
/// What it leaves running may hold its output open; that is waited for no longer.
const REST_WITHIN: Duration = Duration::from_secs(1);

/// Runs a program, and says how it ended; `None` if it has not after `within`: then it is ended. If this is dropped, so is
/// the program.
pub(super) async fn run(
    mut command: Command,
    mask: Mask,
    within: Option<Duration>,
) -> io::Result<Option<Output>> {
    // One pipe for both, so that their lines stand in the order in which they came.
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    // It has the pipe's other end still.
    drop(command);
    let owner = child.id().and_then(Owner::of_child);
    let mut output = ChildStdout::from_std(std::os::fd::OwnedFd::from(reader).into())?;
    let mut said = Said { lines: Lines::new(mask), text: String::new() };
    let ended = async {
        let status = tokio::select! {
            // Ends with the output, which may be before the program does.
            read = said.read(&mut output) => {
                read?;
                child.wait().await?
            }
            status = child.wait() => status?,
        };
        if let Ok(read) = timeout(REST_WITHIN, said.read(&mut output)).await {
            read?;
        }
        io::Result::Ok(status)
    };
    let ended = timeout(within.unwrap_or(Duration::MAX), ended).await;
    let mut family = Family::of(owner.as_ref(), None);
    let status = match ended {
        Ok(status) => status?,
        Err(_) => {
            let _ = family.end(Duration::ZERO).await;
            return Ok(None);
        }
    };
    Ok(Some(Output { exit_code: exit_code(status), text: said.finish() }))
}

fn exit_code(status: std::process::ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt;
    let by_signal = || status.signal().map(|signal| 128 + signal);
    i64::from(status.code().or_else(by_signal).unwrap_or(-1))
}

struct Said {
    lines: Lines,
    text: String,
}

impl Said {
    async fn read(&mut self, output: &mut ChildStdout) -> io::Result<()> {
        let mut bytes = [0; 4 << 10];
        loop {
            let count = output.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            let text = &mut self.text;
            self.lines.take(&bytes[..count], |line| add(text, &line));
        }
    }

    fn finish(mut self) -> String {
        if let Some(last) = self.lines.finish() {
            add(&mut self.text, &last);
        }
        self.text
    }
}

fn add(text: &mut String, line: &str) {
    if text.len() + line.len() < MOST_TEXT {
        text.push_str(line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn both_outputs_are_read_in_order_and_secrets_hidden() {
        let script = "echo one; echo canary-1 >&2; printf three; exit 7";
        let mask = Mask::of(vec!["canary-1".to_owned()]);
        let output = run(shell(script), mask, None).await.unwrap();
        let text = "one\n***\nthree\n".to_owned();
        assert_eq!(output, Some(Output { exit_code: 7, text }));
    }

    #[tokio::test]
    async fn how_it_ended_is_told_though_its_output_is_held_open_or_closed() {
        for (script, expected) in [
            ("sleep 5 & exit 3", 3),
            ("exec >/dev/null 2>&1; sleep 0.1; exit 4", 4),
            ("kill -9 $$", 137),
        ] {
            let output = run(shell(script), Mask::default(), None).await.unwrap().unwrap();
            assert_eq!(output.exit_code, expected, "{script}");
        }
    }

    #[tokio::test]
    async fn what_does_not_end_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("trap '' TERM; sleep 60 & echo $! >{}; wait", file.display());
        let within = Some(Duration::from_millis(500));
        assert_eq!(run(shell(&script), Mask::default(), within).await.unwrap(), None);
        let pid = std::fs::read_to_string(&file).unwrap();
        assert_eq!(Owner::of(pid.trim().parse().unwrap()), None);
    }
}
