//! Dockerfiles that nobody writes by hand.

use std::fs;
use std::time::{Duration, Instant};

use testkit::archive::filler;

use super::world::ensure;
use super::{Test, Trouble, World};

pub const TESTS: &[Test] = &[("ten megabytes of Dockerfile", ten_megabytes)];

/// Ten megabytes of every bad sort end with a message, not with a crash, soon and in little memory.
fn ten_megabytes(world: &World) -> Result<(), Trouble> {
    const SIZE: usize = 10 << 20;
    let repeat = |text: &str| text.repeat(SIZE / text.len());
    let forms = [
        ("noise", filler(SIZE)),
        ("zeros", vec![0; SIZE]),
        ("one line", [b"FROM scratch\nLABEL a=".to_vec(), vec![b'x'; SIZE]].concat()),
        ("unknown instructions", repeat("COPPY a b\n").into_bytes()),
        ("stages", repeat("FROM scratch AS a\n").into_bytes()),
        ("continuations", ["FROM scratch\nRUN a", &repeat("\\\n")].concat().into_bytes()),
        ("here-documents", ["FROM scratch\nRUN ", &repeat("<<a ")].concat().into_bytes()),
        ("nested expressions", ["FROM scratch\nENV a=", &repeat("${a:-")].concat().into_bytes()),
        ("JSON", ["FROM scratch\nCMD ", &repeat("[")].concat().into_bytes()),
        ("ignore patterns", b"FROM scratch\nCOPY . /\n".to_vec()),
    ];
    let place = world.place("ten-megabytes")?;
    for (name, text) in forms {
        let context = place.context("//- /a\nx\n")?;
        fs::write(context.join("Dockerfile"), text)?;
        if name == "ignore patterns" {
            fs::write(context.join(".dockerignore"), repeat("a*b*/**/c\n"))?;
        }
        let start = Instant::now();
        let limit = ["--memory", "1g"];
        let outcome =
            crate::command::run(&mut place.build_command(&context, &limit), Duration::from_secs(60))?;
        ensure(matches!(outcome.code(), 0..=4), || {
            format!(
                "{name}: exit {} after {:.1} s\n{:.2000}",
                outcome.code(),
                start.elapsed().as_secs_f64(),
                outcome.tail(5)
            )
        })?;
        ensure(start.elapsed() < Duration::from_secs(40), || {
            format!("{name}: {:.1} s", start.elapsed().as_secs_f64())
        })?;
    }
    Ok(())
}
