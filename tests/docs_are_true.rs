//! What the docs say is held against the repository and the program: links and paths lead somewhere, commands and their options exist,
//! configurations load, both READMEs say the same.
//!
//! The tables of single pages (flags, reasons, metrics, configuration keys) have tests beside the code that they describe.

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "docs_are_true/markdown.rs"]
mod markdown;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use markdown::{Page, all_pages, root, text_of};
use saphyr::{LoadableYamlNode as _, Yaml};

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

// --- links and paths

/// Links to files of ours that are not there.
fn dead_links(page: &Page) -> Vec<String> {
    let folder = root().join(&page.path);
    let folder = folder.parent().unwrap();
    let ours = page.links().into_iter().filter(|link| !link.contains("://") && !link.starts_with('#'));
    let dead = ours.filter(|link| !folder.join(link.split('#').next().unwrap()).exists());
    dead.map(|link| format!("{}: {link} leads nowhere", page.path)).collect()
}

/// Code spans that are paths from the root of the repository, and are not there. `docs/decisions/` may be named too.
fn dead_paths(page: &Page) -> Vec<String> {
    const TOPS: [&str; 7] = ["src/", "tests/", "benches/", "docs/", "conf/", "docker/", ".ci/"];
    let paths = page.spans().into_iter().filter(|span| TOPS.iter().any(|top| span.starts_with(top)) && !span.contains(' '));
    let dead = paths.filter(|path| !root().join(path).exists());
    dead.map(|path| format!("{}: {path} is not there", page.path)).collect()
}

#[test]
fn links_and_paths_lead_somewhere() {
    let findings: Vec<String> = all_pages().iter().flat_map(|page| [dead_links(page), dead_paths(page)].concat()).collect();
    assert_none(&findings);
}

#[test]
fn a_dead_link_and_a_dead_path_are_found() {
    let page = |text| Page::new("docs/made-up.md", text);
    assert_eq!(dead_links(&page("[a](nowhere.md) [b](formats.md#times) [c](https://example.org) [d](../README.md)")).len(), 1);
    assert_eq!(dead_paths(&page("`src/nowhere.rs` and `src/lib.rs`, `cargo x`\n\n`docs/` `tests/none/`")).len(), 2);
    assert!(dead_paths(&page("```text\n`src/nowhere.rs`\n```")).is_empty());
}

#[test]
fn the_map_names_many_paths() {
    let map = Page::read("docs/architecture.md");
    let count = map.spans().iter().filter(|span| span.starts_with("src/")).count();
    assert!(count > 50, "the map names {count} places in src/ only: is it still read?");
}

// --- pages

#[test]
fn the_index_has_every_page_and_the_titles_of_decisions() {
    let index = text_of("docs/README.md");
    let missing = |page: &Page| match page.path.strip_prefix("docs/") {
        Some("README.md") | None => None,
        Some(path) if path.starts_with("decisions/") => {
            let line = format!("- [{}]({path})", page.title());
            (!index.contains(&line)).then(|| format!("docs/README.md lacks the line {line}"))
        }
        Some(path) => (!index.contains(&format!("]({path})"))).then(|| format!("docs/README.md lacks {path}")),
    };
    assert_none(&all_pages().iter().filter_map(missing).collect::<Vec<_>>());
}

#[test]
fn decisions_have_numbers_of_their_own() {
    let mut seen = BTreeSet::new();
    for page in all_pages().iter().filter(|page| page.path.starts_with("docs/decisions/")) {
        let name = page.path.trim_start_matches("docs/decisions/");
        let number = name.split('-').next().unwrap();
        assert!(number.len() == 4 && number.parse::<u32>().is_ok(), "{name}: begins with four digits");
        assert!(page.title().starts_with(&format!("{number}: ")), "{name}: its title is {:?}", page.title());
        assert!(seen.insert(number.to_owned()), "two decisions have the number {number}");
    }
}

#[test]
fn both_readmes_say_the_same() {
    let (english, chinese) = (Page::read("README.md"), Page::read("README.zh.md"));
    assert_eq!(english.blocks, chinese.blocks, "fenced blocks");
    assert_eq!(english.outline(), chinese.outline(), "levels of headings");
    let set = |page: &Page| page.spans().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(set(&english), set(&chinese), "code spans");
    let links = |page: &Page| page.links().into_iter().filter(|link| !link.starts_with("README")).map(str::to_owned).collect();
    let both: [Vec<String>; 2] = [links(&english), links(&chinese)];
    assert_eq!(both[0], both[1], "links");
}

#[test]
fn the_demo_prints_the_view_of_the_docs() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = Page::read("docs/windows.md");
    let views: Vec<String> =
        page.blocks.iter().map(|(_, text)| words(text)).filter(|text| text.starts_with("CREATE VIEW")).collect();
    assert_eq!(views, [words(&text_of("src/cli/demo/windows.sql"))]);
    // It goes between the double quotes of a shell.
    assert!(!views[0].contains(['"', '$', '`', '\\', '!']), "{}", views[0]);
}

// --- commands

fn corelane(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(args).current_dir(root()).env("KAFKA_BROKERS", "127.0.0.1:9092").output().unwrap()
}

/// The help of the deepest subcommand that `words` name, and the words left over. None: there is no such subcommand.
fn help_of(words: &[&str]) -> Option<String> {
    let mut path: Vec<&str> = Vec::new();
    let mut help = text(&corelane(&["--help"]));
    for word in words {
        if !subcommands(&help).iter().any(|name| name == word) {
            break;
        }
        path.push(word);
        help = text(&corelane(&[&path[..], &["--help"]].concat()));
    }
    let is_option = |word: &&str| word.starts_with('-');
    (!path.is_empty() || words.first().is_none_or(is_option)).then_some(help)
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The names under `Commands:` of a help.
fn subcommands(help: &str) -> Vec<String> {
    let list = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Subcommands and long options that the program does not have.
fn unknown_in(command: &str) -> Vec<String> {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let Some(help) = help_of(&words) else { return vec![format!("`{command}`: no such subcommand")] };
    let options = words.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap());
    let known = |option: &str| help.split_whitespace().any(|word| word.trim_end_matches([',', ']']) == option);
    options.filter(|option| !known(option)).map(|option| format!("`{command}`: no option {option}")).collect()
}

#[test]
fn commands_in_the_docs_exist() {
    let mut findings = Vec::new();
    for page in all_pages().iter().filter(|page| !page.path.starts_with("docs/decisions/")) {
        for command in page.commands("corelane") {
            findings.extend(unknown_in(&command).into_iter().map(|what| format!("{}: {what}", page.path)));
        }
    }
    assert_none(&findings);
}

#[test]
fn an_unknown_command_and_an_unknown_option_are_found() {
    let page = Page::new(
        "made-up.md",
        "`corelane fly x`\n\n```sh\ncorelane run --fast \\\n    --quiet a.yaml # --slow\necho corelane no\n```\n",
    );
    let findings: Vec<String> = page.commands("corelane").iter().flat_map(|command| unknown_in(command)).collect();
    assert_eq!(findings, ["`corelane run --fast      --quiet a.yaml`: no option --fast", "`corelane fly x`: no such subcommand"]);
}

#[test]
fn the_readme_lists_every_subcommand() {
    let listed: BTreeSet<String> = Page::read("README.md")
        .commands("corelane")
        .iter()
        .filter_map(|command| Some(command.split(' ').nth(1)?.to_owned()))
        .collect();
    let mut known: BTreeSet<String> = subcommands(&text(&corelane(&["--help"]))).into_iter().collect();
    known.remove("help");
    assert_eq!(listed, known);
}

#[test]
fn the_script_knows_the_commands_of_the_docs() {
    let usage = Command::new(root().join("dev")).arg("help").env("HOME", "/nonexistent").output().unwrap();
    let usage = text(&usage);
    let mut count = 0;
    for page in all_pages() {
        for command in page.commands("./dev") {
            let name = command.split_whitespace().nth(1).unwrap();
            assert!(usage.contains(&format!("./dev {name}")), "{}: `{command}`: ./dev help does not know {name}", page.path);
            count += 1;
        }
    }
    assert!(count >= 4, "only {count} commands of ./dev are in the docs");
}

// --- configurations

#[test]
fn configurations_in_the_docs_load() {
    let readme = Page::read("README.md");
    let yaml: Vec<&str> = readme.blocks.iter().filter(|(language, _)| language == "yaml").map(|(_, text)| &**text).collect();
    assert_eq!(yaml[0], text_of("conf/minimal.yaml"), "the README shows conf/minimal.yaml");
    let dir = tempfile::tempdir().unwrap();
    for (i, text) in yaml.iter().enumerate().skip(1) {
        let path = dir.path().join(format!("{i}.yaml"));
        fs::write(&path, text).unwrap();
        let output = corelane(&["check", "conf/minimal.yaml", path.to_str().unwrap()]);
        assert!(output.status.success(), "{text}: {output:?}");
    }
}

#[test]
fn the_files_of_the_containers_load() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    fs::write(&token, "0123456789abcdef").unwrap();
    let token = format!("serve.token_file={}", token.display());
    let output = corelane(&["check", "docker/corelane.yaml", "--set", &token]);
    assert!(output.status.success(), "{output:?}");
    for path in ["docker/compose.yaml", "docker/prometheus.yaml"] {
        let documents = Yaml::load_from_str(&text_of(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(documents.len() == 1 && documents[0].is_mapping(), "{path}: one document, a mapping");
    }
    let compose = text_of("docker/compose.yaml");
    let commands = compose.lines().filter_map(|line| line.trim().strip_prefix("command: [\"simulate\""));
    for rest in commands {
        let words = rest.replace(['"', ',', ']'], " ");
        assert_none(&unknown_in(&format!("corelane simulate {words}")));
    }
}
