//! A line of the terminal as a value: parts with a tone each, cut to a width, painted or not.

use super::text;

/// How a part of a line looks. Everything is readable without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// What matters less.
    Dim,
    /// What matters most.
    Bold,
    /// Went well.
    Good,
    /// Deserves attention.
    Warn,
    /// Went wrong.
    Bad,
}

impl Tone {
    /// The parameter of "select graphic rendition" (ECMA-48, 8.3.117).
    fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Dim => Some("2"),
            Tone::Bold => Some("1"),
            Tone::Good => Some("32"),
            Tone::Warn => Some("33"),
            Tone::Bad => Some("1;31"),
        }
    }

    /// The text in this tone.
    pub fn paint(self, text: &str, colour: bool) -> String {
        match self.code().filter(|_| colour && !text.is_empty()) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }
}

/// A line: text from the left, and optionally text at the right margin, with a bar before that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    left: Vec<(Tone, String)>,
    right: Vec<(Tone, String)>,
    /// How much is done, and of how much.
    bar: Option<(u64, u64)>,
}

/// Columns of a bar: fewer say nothing, more say no more.
const BAR: std::ops::RangeInclusive<usize> = 10..=24;

impl Line {
    /// An empty line.
    pub fn new() -> Line {
        Line::default()
    }

    /// Adds text on the left.
    pub fn left(mut self, tone: Tone, text: impl Into<String>) -> Line {
        self.left.push((tone, text.into()));
        self
    }

    /// Adds text at the right margin.
    pub fn right(mut self, tone: Tone, text: impl Into<String>) -> Line {
        self.right.push((tone, text.into()));
        self
    }

    /// Shows how much is done, where there is room.
    pub fn bar(mut self, done: u64, total: u64) -> Line {
        self.bar = (total > 0).then_some((done.min(total), total));
        self
    }

    /// The line in a number of columns: the right stays whole, the left is cut.
    pub fn fit(&self, columns: usize, colour: bool) -> String {
        let right_width: usize = self.right.iter().map(|(_, part)| text::width(part)).sum();
        let (right, room) = match right_width {
            0 => (&[][..], columns),
            // A terminal too narrow for both shows the left only.
            _ if right_width + 12 > columns => (&[][..], columns),
            _ => (self.right.as_slice(), columns - right_width - 1),
        };
        let (mut out, mut used) = (String::new(), 0);
        for (tone, part) in &self.left {
            let part = text::cut(part, room - used);
            used += text::width(&part);
            out += &tone.paint(&part, colour);
        }
        if !right.is_empty() {
            let free = room + 1 - used;
            // A blank on either side.
            let width = free.saturating_sub(2).min(*BAR.end());
            match self.bar {
                Some((done, total)) if width >= *BAR.start() => {
                    let filled = (u128::from(done) * width as u128 / u128::from(total)) as usize;
                    out += &" ".repeat(free - width - 1);
                    out += &Tone::Good.paint(&"━".repeat(filled), colour);
                    out += &Tone::Dim.paint(&"─".repeat(width - filled), colour);
                    out += " ";
                }
                _ => out += &" ".repeat(free),
            }
            right.iter().for_each(|(tone, part)| out += &tone.paint(part, colour));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_takes_room_that_nobody_needs() {
        let line = Line::new().left(Tone::Plain, "layer").right(Tone::Dim, "1 of 4").bar(1, 4);
        assert_eq!(line.fit(26, false), "layer ━━━────────── 1 of 4");
        assert_eq!(line.fit(22, false), "layer           1 of 4");
        assert_eq!(line.fit(44, false), "layer        ━━━━━━────────────────── 1 of 4");
        let full = Line::new().left(Tone::Plain, "x").right(Tone::Dim, "9 of 4").bar(9, 4);
        assert_eq!(full.fit(20, false), "x ━━━━━━━━━━━ 9 of 4");
    }

    #[test]
    fn the_left_gives_way_to_the_right() {
        let line = Line::new()
            .left(Tone::Bold, "builder ")
            .left(Tone::Plain, "RUN make all")
            .right(Tone::Dim, "1.0s");
        assert_eq!(line.fit(30, false), "builder RUN make all      1.0s");
        assert_eq!(line.fit(20, false), "builder RUN ma… 1.0s");
        assert_eq!(line.fit(10, false), "builder R…");
        assert_eq!(line.fit(20, true), "\u{1b}[1mbuilder \u{1b}[0mRUN ma… \u{1b}[2m1.0s\u{1b}[0m");
    }
}
