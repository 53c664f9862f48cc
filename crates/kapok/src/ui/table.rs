//! Tables for people: columns as wide as their widest cell, two spaces between.

use super::text;

/// Lays rows out under their heading. The last column is not padded.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |row: &[String], column: usize| row.get(column).map_or(0, |cell| text::width(cell));
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            rows.iter().map(|row| cells(row, column)).max().unwrap_or(0).max(text::width(heading[column]))
        })
        .collect();
    let mut out = String::new();
    let heading: Vec<String> = heading.iter().map(|title| (*title).to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(width - text::width(cell).min(*width) + 2);
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "10 MB".to_owned()], vec!["longer".to_owned(), "1 B".to_owned()]];
        expect![[r"
            NAME    SIZE
            a       10 MB
            longer  1 B
        "]]
        .assert_eq(&super::table(&["NAME", "SIZE"], &rows));
    }
}
