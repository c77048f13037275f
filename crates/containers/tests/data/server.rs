//! A server for the tests, which is all that is in its image. Built by `rustc` alone, linked statically.

use std::{
    env, hint,
    io::{Read, Write},
    net::TcpListener,
    process, thread,
    time::Duration,
};

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
    fn _exit(code: i32) -> !;
}

const SIGTERM: i32 = 15;
const IGNORE: usize = 1;

extern "C" fn end(_: i32) {
    unsafe { _exit(0) }
}

/// Each argument is something that it does, the first at first.
fn main() {
    // The first process of a container ends at no signal but those that it has a handler for.
    unsafe { signal(SIGTERM, end as *const () as usize) };
    for argument in env::args().skip(1) {
        let (what, value) = argument.split_once('=').unwrap_or((&argument, ""));
        match what {
            "say" => println!("{value}"),
            "say-error" => eprintln!("{value}"),
            "say-lines" => (0..number(value)).for_each(|line| println!("line {line}")),
            "deaf" => drop(unsafe { signal(SIGTERM, IGNORE) }),
            "environment" => env::vars().for_each(|(name, value)| println!("{name}={value}")),
            "memory" => take_memory(number(value)),
            "bars" => print!("10%\r20%\r30%\n\u{1b}[31mred\u{1b}[0m\n"),
            "read" => println!("{}", std::fs::read_to_string(value).unwrap_or_else(|e| e.to_string())),
            "write" => println!("{:?}", std::fs::write(value, "x").map_err(|e| e.kind())),
            "wait-ms" => thread::sleep(Duration::from_millis(number(value))),
            "exit" => process::exit(number(value) as i32),
            "serve" => serve(),
            _ => panic!("{what} is not known"),
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn take_memory(mib: u64) {
    let mut held = Vec::new();
    for _ in 0..mib {
        held.push(hint::black_box(vec![1_u8; 1 << 20]));
    }
    println!("took {} MiB", held.len());
}

fn serve() {
    let listener = TcpListener::bind("0.0.0.0:8000").expect("a free port");
    println!("listening");
    for stream in listener.incoming().flatten() {
        let mut stream = stream;
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }
}
