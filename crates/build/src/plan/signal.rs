//! The names of signals that STOPSIGNAL takes.

/// Linux's signals by name, without `SIG`.
const NAMES: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Whether a STOPSIGNAL is a number or the name of a signal, with or without `SIG`, in any case: `9`, `SIGTERM`,
/// `rtmin+3`.
pub fn is_valid(signal: &str) -> bool {
    if let Ok(number) = signal.parse::<i64>() {
        return number != 0;
    }
    let name = signal.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if let Some(number) = name.strip_prefix("RTMIN+").and_then(|number| number.parse::<u32>().ok()) {
        return (1..=15).contains(&number);
    }
    if let Some(number) = name.strip_prefix("RTMAX-").and_then(|number| number.parse::<u32>().ok()) {
        return (1..=14).contains(&number);
    }
    NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        for signal in [
            "9",
            "SIGTERM",
            "TERM",
            "sigkill",
            "Usr1",
            "SIGRTMIN",
            "SIGRTMIN+3",
            "rtmax-14",
            "64",
            "-1",
            "127",
        ] {
            assert!(is_valid(signal), "{signal}");
        }
        for signal in ["0", "", "SIG", "TERMINATE", "SIGRTMIN+16", "RTMAX-15", "RTMIN+", "9x", "EMT"] {
            assert!(!is_valid(signal), "{signal}");
        }
    }
}
