//! Arguments of a program taken apart: options with their values, and operands.

use dockerfile::Span;
use dockerfile::shell::Value;

/// One argument.
#[derive(Debug, Clone)]
pub enum Argument {
    /// An option, with its dashes, and its value where it has one.
    Option {
        /// `--index-url`, `-i`.
        name: String,
        /// Its value.
        value: Option<Value>,
        /// The option, its value included.
        span: Span,
    },
    /// Anything else.
    Operand(Value),
}

/// Arguments in their order.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// All of them.
    pub list: Vec<Argument>,
}

impl Arguments {
    /// Takes words apart; `valued` are the options whose value is the next word, with their dashes. Single letters may
    /// stand together, and the value of the last of them may follow without a blank.
    pub fn parse(words: &[Value], valued: &[&str]) -> Arguments {
        let mut list = Vec::new();
        let mut words = words.iter().peekable();
        let mut only_operands = false;
        while let Some(word) = words.next() {
            let text = word.text();
            if only_operands || !text.starts_with('-') || text == "-" {
                list.push(Argument::Operand(word.clone()));
                continue;
            }
            if text == "--" {
                only_operands = true;
                continue;
            }
            if text.starts_with("--") || valued.contains(&text.as_str()) {
                if let Some((name, value)) = word.split_once('=').filter(|_| text.starts_with("--")) {
                    list.push(Argument::Option { name: name.text(), value: Some(value), span: word.span });
                    continue;
                }
                let value = if valued.contains(&text.as_str()) { words.next().cloned() } else { None };
                let span = value.as_ref().map_or(word.span, |value| word.span.to(value.span));
                list.push(Argument::Option { name: text, value, span });
                continue;
            }
            // A cluster: `-sSLo file`, `-y`, `-ofile`.
            let letters: Vec<char> = text[1..].chars().collect();
            for (index, letter) in letters.iter().enumerate() {
                let name = format!("-{letter}");
                if !valued.contains(&name.as_str()) {
                    list.push(Argument::Option { name, value: None, span: word.span });
                    continue;
                }
                let rest: String = letters[index + 1..].iter().collect();
                let value = if rest.is_empty() {
                    words.next().cloned()
                } else {
                    let before: usize = letters[..=index].iter().map(|letter| letter.len_utf8()).sum();
                    word.strip_prefix(&text[..1 + before])
                };
                let span = value.as_ref().map_or(word.span, |value| word.span.to(value.span));
                list.push(Argument::Option { name, value, span });
                break;
            }
        }
        Arguments { list }
    }

    /// The first of these options: its value, and its place.
    pub fn option<'a>(&'a self, names: &'a [&str]) -> Option<(Option<&'a Value>, Span)> {
        self.options(names).next()
    }

    /// All of these options.
    pub fn options<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (Option<&'a Value>, Span)> {
        self.list.iter().filter_map(move |argument| match argument {
            Argument::Option { name, value, span } if names.contains(&name.as_str()) => {
                Some((value.as_ref(), *span))
            }
            _ => None,
        })
    }

    /// Whether one of these options is there.
    pub fn has(&self, names: &[&str]) -> bool {
        self.option(names).is_some()
    }

    /// The operands.
    pub fn operands(&self) -> impl Iterator<Item = &Value> {
        self.list.iter().filter_map(|argument| match argument {
            Argument::Operand(value) => Some(value),
            Argument::Option { .. } => None,
        })
    }
}
