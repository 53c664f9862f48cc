//! What may stand in Rust source, by room.

use super::{Findings, Source};

/// Rooms of the product that are given what they need instead of looking for it.
const GIVEN: [&str; 5] = ["dockerfile", "oci", "build", "policy", "project"];

/// A file of the product should not be longer; beyond the second figure it must not be.
const LINES_WANTED: usize = 400;
const LINES_ALLOWED: usize = 800;

/// Environment, wall clock, randomness: read by `kapok` alone and handed on.
pub fn world(sources: &[Source]) -> Findings {
    let words = [
        "env::var",
        "env::vars",
        "env::args",
        "SystemTime::now",
        "getrandom",
        "rand::",
        "UtcNow",
        "home_dir(",
    ];
    scan(sources, |source, line| {
        let found = words.iter().find(|word| line.contains(**word))?;
        source.room().is_some_and(|room| GIVEN.contains(&room)).then(|| format!("`{found}`"))
    })
}

/// `println!` and its kin anywhere, the standard streams outside `kapok`.
pub fn terminal(sources: &[Source]) -> Findings {
    scan(sources, |source, line| {
        let room = source.room().filter(|room| *room != "testkit")?;
        let words: &[&str] = match room {
            "kapok" if source.path.starts_with("crates/kapok/src/ui") => &[],
            // An archive or a program's output may go to a stream that is no terminal of ours.
            "kapok" => &["println!(", "print!(", "eprint!(", "eprintln!("],
            _ => &["println!(", "print!(", "eprint!(", "eprintln!(", "stdout()", "stderr()"],
        };
        words.iter().find(|word| line.contains(**word)).map(|word| format!("`{word}`"))
    })
}

/// `unsafe` outside the one room that talks to the kernel.
pub fn unsafe_code(sources: &[Source]) -> Findings {
    scan(sources, |source, line| {
        let inside = source.path.starts_with("crates/build/src/sandbox");
        let word = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
        (!inside && word.iter().any(|word| line.contains(word))).then(|| "`unsafe`".into())
    })
}

/// A file's first line says what it is for.
pub fn purpose(sources: &[Source]) -> Findings {
    let lacking = |source: &&Source| !source.text.starts_with("//! ");
    rust(sources).filter(lacking).map(|source| format!("{}: starts without `//! `", source.path)).collect()
}

/// Long files are told apart: a warning, and a limit.
pub fn length(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    for source in rust(sources) {
        let lines = source.text.lines().count();
        if lines > LINES_ALLOWED {
            findings.push(format!("{}: {lines} lines", source.path));
        } else if lines > LINES_WANTED {
            println!("note: {} has {lines} lines; {LINES_WANTED} is what we aim for", source.path);
        }
    }
    findings
}

/// A test that is not run or that waits for luck.
pub fn tests(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    for source in rust(sources).filter(|source| !source.path.starts_with("xtask/src/tidy")) {
        let mut in_tests = source.path.contains("/tests");
        for (number, line) in source.text.lines().enumerate() {
            in_tests |= line.contains("mod tests");
            if line.trim_start().starts_with("#[ignore") {
                findings.push(format!("{}:{}: an ignored test", source.path, number + 1));
            }
            if in_tests && line.contains("thread::sleep") {
                findings.push(format!("{}:{}: a test that sleeps", source.path, number + 1));
            }
        }
    }
    findings
}

/// Every entry point for fuzzing is fuzzed; those of the program itself are out of a library's reach.
pub fn fuzzed(sources: &[Source]) -> Findings {
    let driver = sources.iter().find(|source| source.path == "xtask/src/fuzz/mod.rs");
    let driver = driver.map_or("", |source| &source.text);
    let mut findings = Vec::new();
    for source in
        rust(sources).filter(|source| source.path.starts_with("crates/") && source.room() != Some("kapok"))
    {
        for rest in source.text.split("pub fn fuzz_").skip(1) {
            let name = rest.split('(').next().unwrap_or_default();
            if !driver.contains(&format!("::fuzz_{name})")) {
                findings.push(format!("{}: `fuzz_{name}` is no target of `cargo xtask fuzz`", source.path));
            }
        }
    }
    findings
}

fn rust(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.path.ends_with(".rs"))
}

/// Every line of code (comments and test modules left out) for which `judge` has something to say.
fn scan(sources: &[Source], judge: impl Fn(&Source, &str) -> Option<String>) -> Findings {
    let mut findings = Vec::new();
    for source in rust(sources).filter(|source| !source.path.starts_with("xtask/src/tidy")) {
        if source.path.contains("/tests") {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            if line.trim_end() == "mod tests {" {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            if let Some(finding) = judge(source, code) {
                findings.push(format!("{}:{}: {finding}", source.path, number + 1));
            }
        }
    }
    findings
}
