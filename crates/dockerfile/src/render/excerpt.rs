//! The lines around a place, made fit for a terminal.

use unicode_width::UnicodeWidthChar;

use crate::source::Span;

/// Columns for the text of a line.
const WIDTH: usize = 100;
/// Of a longer line this much is shown before the place.
const BEFORE: usize = 30;
/// What a tab becomes.
const TAB: &str = "    ";

/// One line of output.
pub(super) struct Row {
    /// The line's number.
    pub number: Option<usize>,
    /// The mark, or the bracket beside the text.
    pub mark: String,
    pub text: String,
}

/// The lines of a place.
pub(super) struct Excerpt<'t> {
    text: &'t str,
    lines: Vec<(usize, Span)>,
    span: Span,
}

impl<'t> Excerpt<'t> {
    /// Of lines with their numbers and places.
    pub fn new(text: &'t str, lines: Vec<(usize, Span)>, span: Span) -> Excerpt<'t> {
        Excerpt { text, lines, span }
    }

    /// Columns for the line numbers.
    pub fn gutter_width(&self, line: usize) -> usize {
        let last = self.lines.last().map_or(line, |(number, _)| *number);
        last.to_string().len()
    }

    /// The rows, with words beside the mark.
    pub fn rows(&self, label: &str) -> Vec<Row> {
        match self.lines.as_slice() {
            [(number, line)] => self.single(*number, *line, label),
            lines => self.several(lines, label),
        }
    }

    /// A line and the mark below it. What is too wide is cut at the end, and at the beginning if the place would
    /// otherwise not fit.
    fn single(&self, number: usize, line: Span, label: &str) -> Vec<Row> {
        if line.start == line.end {
            let mut rows = vec![Row { number: Some(number), mark: String::new(), text: String::new() }];
            rows.extend((!label.is_empty()).then(|| mark(0, 1, label)));
            return rows;
        }
        let start = self.span.start.clamp(line.start, line.end);
        let end = self.span.end.clamp(start, line.end);
        let (left, right) = (&self.text[line.start..start], &self.text[start..line.end]);
        let mut before = shown(left, WIDTH, Side::End);
        if before.width + shown(right, 2 * WIDTH, Side::Start).width > WIDTH && before.width > BEFORE {
            before = shown(left, BEFORE, Side::End);
        }
        let room = WIDTH.saturating_sub(before.width).max(1);
        let after = shown(right, room, Side::Start);
        let marked = shown(&self.text[start..end], room, Side::Start);
        let text = format!("{}{}", before.text, after.text);
        vec![
            Row { number: Some(number), mark: String::new(), text: text.trim_end().to_owned() },
            mark(before.width, marked.width.max(1), label),
        ]
    }

    /// Lines with a bracket beside them.
    fn several(&self, lines: &[(usize, Span)], label: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        let last = lines.len() - 1;
        for (index, (number, line)) in lines.iter().enumerate() {
            if index > 0 && *number > lines[index - 1].0 + 1 {
                rows.push(Row { number: None, mark: "┃ ".to_owned(), text: "…".to_owned() });
            }
            let bracket = match index {
                0 => "┏ ",
                _ if index == last => "┗ ",
                _ => "┃ ",
            };
            let text = shown(&self.text[line.range()], WIDTH, Side::Start).text;
            rows.push(Row { number: Some(*number), mark: bracket.to_owned(), text });
        }
        if !label.is_empty() {
            rows.push(Row { number: None, mark: format!("  {label}"), text: String::new() });
        }
        rows
    }
}

fn mark(column: usize, width: usize, label: &str) -> Row {
    let gap = if label.is_empty() { "" } else { " " };
    let mark = format!("{}{}{gap}{label}", " ".repeat(column), "━".repeat(width));
    Row { number: None, mark, text: String::new() }
}

/// Which end of a text is kept where there is no room for all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Start,
    End,
}

/// Text as a terminal shows it.
struct Shown {
    text: String,
    width: usize,
}

/// As much of a text as there is room for, with `…` where it was cut. Looks at no more of the text than it shows.
fn shown(text: &str, room: usize, side: Side) -> Shown {
    let mut parts: Vec<String> = Vec::new();
    let mut width = 0;
    let mut cut = false;
    let mut chars = text.chars();
    while let Some(next) = if side == Side::Start { chars.next() } else { chars.next_back() } {
        let part = picture(next);
        let columns: usize = part.chars().map(|next| next.width().unwrap_or(0)).sum();
        if width + columns > room {
            cut = true;
            break;
        }
        width += columns;
        parts.push(part);
    }
    if cut {
        // Room for the mark of the cut.
        while width + 1 > room {
            let Some(part) = parts.pop() else { break };
            width -= part.chars().map(|next| next.width().unwrap_or(0)).sum::<usize>();
        }
        parts.push("…".to_owned());
        width += 1;
    }
    if side == Side::End {
        parts.reverse();
    }
    Shown { text: parts.concat(), width }
}

/// A character as it can be shown: a tab becomes blanks, what a terminal would obey becomes a picture.
fn picture(next: char) -> String {
    match next {
        '\t' => TAB.to_owned(),
        '\u{feff}' => String::new(),
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(next)).unwrap_or('�').to_string(),
        '\u{7f}' => "␡".to_owned(),
        // C1 controls, line separators, and what turns the direction of writing.
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            "�".to_owned()
        }
        other => other.to_string(),
    }
}

/// A message with nothing in it that a terminal would obey, and of bearable length.
pub(super) fn visible(text: &str) -> String {
    const LONGEST: usize = 1000;
    let mut shown: String = text.chars().take(LONGEST).map(picture).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
