//! Runs Docker's credential helpers.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use registry::client::credentials::{HelperOutput, HelperRunner};

/// Bytes of a helper's answer that are read; tokens have a few kilobytes.
const ANSWER_LIMIT: u64 = 1 << 20;

/// The programs on the PATH, with our environment; what they say beside their answer goes to the user.
pub struct Helper;

impl HelperRunner for Helper {
    fn run(&self, program: &str, verb: &str, input: &[u8]) -> io::Result<HelperOutput> {
        let mut child =
            Command::new(program).arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read its input says itself what is wrong.
            let _ = stdin.write_all(input);
        }
        let mut stdout = Vec::new();
        if let Some(answer) = child.stdout.take() {
            answer.take(ANSWER_LIMIT).read_to_end(&mut stdout)?;
        }
        let succeeded = child.wait()?.success();
        Ok(HelperOutput { succeeded, stdout })
    }
}
