//! Markdown, as far as the tests of the docs look at it: fenced blocks, code spans, links, headings.

use std::fs;
use std::path::{Path, PathBuf};

/// One page. Lines of fenced blocks are in `blocks` only.
pub(crate) struct Page {
    /// From the root of the crate: `docs/formats.md`.
    pub(crate) path: String,
    /// Language and text of each fenced block.
    pub(crate) blocks: Vec<(String, String)>,
    /// Everything else.
    prose: String,
}

impl Page {
    pub(crate) fn new(path: &str, text: &str) -> Page {
        let mut page = Page { path: path.to_owned(), blocks: Vec::new(), prose: String::new() };
        let mut open: Option<(String, String)> = None;
        for line in text.lines() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(language), None) => open = Some((language.to_owned(), String::new())),
                (Some(_), Some(_)) => page.blocks.extend(open.take()),
                (None, Some((_, block))) => push_line(block, line),
                (None, None) => push_line(&mut page.prose, line),
            }
        }
        assert!(open.is_none(), "{path}: a fenced block is not closed");
        page
    }

    pub(crate) fn read(path: &str) -> Page {
        Page::new(path, &text_of(path))
    }

    /// What stands between back quotes, in order.
    pub(crate) fn spans(&self) -> Vec<&str> {
        // Paragraphs apart, so that one lost back quote does not turn the whole page inside out.
        self.prose.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2)).collect()
    }

    /// Targets of links, in order.
    pub(crate) fn links(&self) -> Vec<&str> {
        self.prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
    }

    /// Levels of the headings, in order.
    pub(crate) fn outline(&self) -> Vec<usize> {
        let level = |line: &str| line.find(|c| c != '#').filter(|level| *level > 0);
        self.prose.lines().filter_map(level).collect()
    }

    /// The first heading.
    pub(crate) fn title(&self) -> &str {
        self.prose.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default()
    }

    /// Commands of `program`: those at the beginnings of lines in shell blocks, and those that are code spans.
    pub(crate) fn commands(&self, program: &str) -> Vec<String> {
        let shells = self.blocks.iter().filter(|(language, _)| language == "sh" || language == "bash");
        let lines: Vec<String> = shells.flat_map(|(_, text)| joined_lines(text)).collect();
        let spans = self.spans().into_iter().map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
        let begins = |text: &String| text.strip_prefix(program).is_some_and(|rest| rest.starts_with(' '));
        lines.into_iter().chain(spans).filter(begins).collect()
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// Lines, those with a backslash at their end joined with the next; comments cut.
fn joined_lines(text: &str) -> Vec<String> {
    let whole = text.replace("\\\n", " ");
    whole.lines().map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned()).collect()
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All pages of the repository, in order.
pub(crate) fn all_pages() -> Vec<Page> {
    let mut paths = markdown_in(&root(), false);
    paths.extend(markdown_in(&root().join("docs"), true));
    paths.extend(markdown_in(&root().join("docker"), true));
    paths.sort();
    assert!(paths.len() > 20, "only {paths:?}");
    paths.iter().map(|path| Page::read(path)).collect()
}

fn markdown_in(dir: &Path, deep: bool) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && deep {
            found.extend(markdown_in(&path, true));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}
