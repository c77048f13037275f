//! What the tests of processes start: a server that does as it is told, who holds it, and the one that starts it and is
//! killed. Of the standard library, but for what holds and starts.
//!
//! ```text
//! stand_in serve PORT WORD...    answers on 127.0.0.1; each WORD is something that it does first
//! stand_in hold FOLDER           as `inferbench hold` does
//! stand_in start FOLDER WORD...  starts `serve {port} WORD...` as long as itself, says where, and waits to be killed
//! stand_in start-alone ...       the same, held by nobody
//! ```

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::exit,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unwrap_used,
        reason = "a program that says what it is told to, and ends as it is told to"
    )
)]

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", port, ref words @ ..] => linux::serve(port, words),
        ["hold", folder] => bench_containers::hold(folder.as_ref()).unwrap(),
        ["start", folder, ref words @ ..] => linux::start(folder, words, true),
        ["start-alone", folder, ref words @ ..] => linux::start(folder, words, false),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        env, hint,
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        os::unix::process::CommandExt,
        process::{self, Command},
        thread,
        time::Duration,
    };

    use bench_containers::{
        Asked, Backend, EngineName, Environment, HostFacts, Lifetime, Process, Recipe, With,
    };
    use nix::sys::signal::{SigSet, Signal};

    /// Does what the words say, the first at first, and then answers every request.
    pub(super) fn serve(port: &str, words: &[&str]) {
        for word in words {
            let (what, value) = word.split_once('=').unwrap_or((word, ""));
            match what {
                "say" => println!("{value}"),
                "say-part" => print(value),
                "say-error" => eprintln!("{value}"),
                "say-variable" => println!("{value}={}", env::var(value).unwrap_or_default()),
                "deaf" => make_deaf(),
                "child" => drop(ourselves(&["serve", "0", "deaf"]).spawn().unwrap()),
                "child-elsewhere" => {
                    drop(ourselves(&["serve", "0", "deaf"]).process_group(0).spawn().unwrap());
                }
                "orphan" => {
                    ourselves(&["serve", "0", "child-elsewhere", "exit=0"]).status().unwrap();
                }
                "wait-ms" => wait(number(value)),
                "take-mib" => take_memory(number(value)),
                "exit" => process::exit(i32::try_from(number(value)).unwrap()),
                "abort" => process::abort(),
                _ => panic!("{word} is not known"),
            }
        }
        let address = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind(&address).unwrap_or_else(|error| {
            eprintln!("error: cannot listen on {address}: {error}");
            process::exit(1)
        });
        println!("listening on {address}");
        listener.incoming().flatten().for_each(answer);
    }

    fn answer(mut stream: TcpStream) {
        let mut request = [0; 4096];
        let count = stream.read(&mut request).unwrap_or(0);
        if request[..count].starts_with(b"POST /exit ") {
            process::exit(3);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }

    /// Ends when its parents ask it to no more.
    fn make_deaf() {
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.thread_block().unwrap();
    }

    fn take_memory(mib: u64) {
        let mut held = Vec::new();
        for _ in 0..mib {
            held.push(hint::black_box(vec![1_u8; 1 << 20]));
        }
        println!("took {} MiB", held.len());
    }

    fn print(text: &str) {
        let mut out = std::io::stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a program of its own, which does nothing else")]
    fn wait(ms: u64) {
        thread::sleep(Duration::from_millis(ms));
    }

    fn number(text: &str) -> u64 {
        text.parse().expect("a number")
    }

    fn ourselves(words: &[&str]) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(words);
        command
    }

    #[tokio::main(flavor = "current_thread")]
    pub(super) async fn start(folder: &str, words: &[&str], is_held: bool) {
        let program = env::current_exe().unwrap();
        let environment = Environment::of([("INFERBENCH_STATE_DIR", folder)]);
        let process = Process::new(environment).unwrap();
        let process =
            if is_held { process.held_by(program.as_os_str(), ["hold"]) } else { process };
        let recipe = Recipe::of(EngineName::Custom);
        let serve = ["serve", "{port}"].iter().chain(words);
        let asked = Asked {
            model: "tiny".to_owned(),
            name: Some("held".to_owned()),
            with: With::Process,
            program: Some(program),
            args: serve.map(|word| (*word).to_owned()).collect(),
            lifetime: Some(Lifetime::WithUs),
            ..Asked::default()
        };
        let launch = recipe.launch(&asked, &HostFacts::here(&recipe, &asked)).unwrap();
        let running = process.start(&launch).await.unwrap();
        println!("{} {}", running.id, running.port);
        std::future::pending::<()>().await;
    }
}
