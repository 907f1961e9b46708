//! What is to be done, checked before any of it is: options that contradict each other or name
//! nothing are refused before a model is loaded.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File},
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use colloquy_transcribe::engine::{EngineOptions, Request};

use super::{Form, Transcribe};
use crate::cli::recordings::{SpeechArgs, check_inputs, is_input, unusable};

/// The most bytes of a vocabulary file. The model takes some hundreds of words.
const MAX_VOCABULARY_BYTES: u64 = 64 << 10;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) sink: Sink,
    pub(super) speech: SpeechArgs,
    pub(super) request: Request,
    pub(super) model: PathBuf,
    pub(super) options: EngineOptions,
}

/// A recording to transcribe.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) source: Source,
    /// The files to write and their forms, if they go to a folder.
    pub(super) targets: Vec<(PathBuf, Form)>,
    /// Why it cannot be done, if that is known already.
    pub(super) refused: Option<String>,
}

/// Where a recording comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Source {
    StandardInput,
    File(PathBuf),
}

/// Where transcripts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sink {
    StandardOutput(Form),
    Folder { path: PathBuf, force: bool },
}

impl Source {
    /// The name as it was given.
    pub(super) fn name(&self) -> String {
        match self {
            Self::StandardInput => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Its path; that of standard input is `-`.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::StandardInput => Path::new("-"),
            Self::File(path) => path,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StandardInput => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Form {
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Txt | Self::All => "txt",
        }
    }
}

impl Plan {
    pub(super) fn of(command: Transcribe) -> anyhow::Result<Self> {
        let forms = forms(&command.format);
        let sources = sources(&command.files)?;
        let model = command.speech.model.folder()?;
        let sink = sink(command.output, command.force, &forms, sources.len())?;
        let request = Request {
            language: command.speech.language(),
            roles: command.speech.roles.clone(),
            vocabulary: command.vocabulary.as_deref().map(vocabulary).transpose()?,
        };
        let options = EngineOptions {
            compute_type: command.compute_type.into(),
            threads: command.speech.threads,
            beam_size: command.beam_size,
            batch_size: command.batch_size,
            name: Some(command.speech.model.name()),
        };
        Ok(Self {
            items: items(sources, &sink, &forms),
            sink,
            speech: command.speech,
            request,
            model,
            options,
        })
    }
}

fn forms(wanted: &[Form]) -> Vec<Form> {
    let all = [Form::Txt, Form::Json, Form::Srt, Form::Vtt];
    let is_wanted = |form: &Form| wanted.contains(form) || wanted.contains(&Form::All);
    all.into_iter().filter(is_wanted).collect()
}

fn sources(files: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    check_inputs(files)?;
    let takes_input = files.iter().any(|file| is_input(file));
    ensure!(
        !takes_input || !std::io::stdin().is_terminal(),
        "standard input is a terminal; send a recording into it, as in 'colloquy transcribe - < FILE'"
    );
    let source = |file: &PathBuf| match is_input(file) {
        true => Source::StandardInput,
        false => Source::File(file.clone()),
    };
    Ok(files.iter().map(source).collect())
}

fn sink(
    folder: Option<PathBuf>,
    force: bool,
    forms: &[Form],
    recordings: usize,
) -> anyhow::Result<Sink> {
    if let Some(path) = folder {
        fs::create_dir_all(&path)
            .with_context(|| format!("the output folder {} cannot be made", path.display()))?;
        return Ok(Sink::Folder { path, force });
    }
    match *forms {
        [form @ (Form::Srt | Form::Vtt)] if recordings > 1 => bail!(
            "the {} of several recordings cannot be one stream; name a folder with --output",
            form.extension()
        ),
        [form] => Ok(Sink::StandardOutput(form)),
        _ => bail!("several forms cannot be one stream; name a folder with --output"),
    }
}

fn vocabulary(given: &str) -> anyhow::Result<String> {
    let Some(path) = given.strip_prefix('@') else {
        return Ok(given.to_owned());
    };
    let unreadable = || format!("the vocabulary {path} cannot be read");
    let file = File::open(path).with_context(unreadable)?;
    let mut text = String::new();
    file.take(MAX_VOCABULARY_BYTES + 1)
        .read_to_string(&mut text)
        .with_context(unreadable)?;
    ensure!(
        text.len() as u64 <= MAX_VOCABULARY_BYTES,
        "the vocabulary {path} has more than {} KiB; the model takes some hundreds of words",
        MAX_VOCABULARY_BYTES >> 10
    );
    // A term a line is as good as commas.
    let terms: Vec<&str> = text
        .lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| !line.is_empty())
        .collect();
    Ok(terms.join(", "))
}

fn items(sources: Vec<Source>, sink: &Sink, forms: &[Form]) -> Vec<Item> {
    let mut taken: HashMap<PathBuf, Source> = HashMap::new();
    let mut items = Vec::new();
    for source in sources {
        let (mut targets, mut refused) = (Vec::new(), unusable(source.path()));
        if let Sink::Folder { path, force } = sink {
            let base = path.join(stem(&source));
            targets.extend(forms.iter().map(|&form| {
                // Not with_extension: in "call.2" the 2 is part of the name.
                let mut name = base.clone().into_os_string();
                name.push(format!(".{}", form.extension()));
                (PathBuf::from(name), form)
            }));
            for (target, _) in &targets {
                refused = refused
                    .or_else(|| taken.get(target).map(|other| collision(target, other)))
                    .or_else(|| (!force && target.exists()).then(|| exists(target)));
            }
            if refused.is_none() {
                let paths = targets.iter().map(|(target, _)| target.clone());
                taken.extend(paths.map(|target| (target, source.clone())));
            }
        }
        items.push(Item {
            source,
            targets,
            refused,
        });
    }
    items
}

fn stem(source: &Source) -> PathBuf {
    match source {
        Source::StandardInput => "stdin".into(),
        Source::File(path) => path.file_stem().unwrap_or(path.as_os_str()).into(),
    }
}

fn collision(target: &Path, other: &Source) -> String {
    let target = target.display();
    format!("it would be written to {target}, as {other} is; transcribe it into another folder")
}

pub(super) fn exists(target: &Path) -> String {
    let target = target.display();
    format!("{target} is there already; replace it with --force, or name another folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_written_once_each() {
        assert_eq!(
            forms(&[Form::Vtt, Form::Txt, Form::Vtt]),
            [Form::Txt, Form::Vtt]
        );
        assert_eq!(forms(&[Form::All]).len(), 4);
    }

    #[test]
    fn a_stream_is_one_text() {
        let stream = |forms: &[Form], recordings| sink(None, false, forms, recordings);
        assert_eq!(
            stream(&[Form::Json], 3).unwrap(),
            Sink::StandardOutput(Form::Json)
        );
        assert_eq!(
            stream(&[Form::Vtt], 1).unwrap(),
            Sink::StandardOutput(Form::Vtt)
        );
        for refused in [stream(&[Form::Vtt], 2), stream(&[Form::Txt, Form::Json], 1)] {
            assert!(refused.unwrap_err().to_string().contains("--output"));
        }
    }

    #[test]
    fn recordings_of_one_name_do_not_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            Source::File(path)
        };
        let sources = vec![make("a.wav"), make("a.mp3"), make("a.b.wav"), make("c.wav")];
        make("c.txt");
        let path = folder.path().to_owned();
        let sink = Sink::Folder { path, force: false };
        let items = items(sources, &sink, &[Form::Txt]);
        let refused: Vec<Option<&str>> = items.iter().map(|item| item.refused.as_deref()).collect();
        assert!(refused[1].unwrap().contains("a.wav"), "{refused:?}");
        assert!(refused[3].unwrap().contains("--force"), "{refused:?}");
        assert_eq!((refused[0], refused[2]), (None, None));
        assert!(items[2].targets[0].0.ends_with("a.b.txt"));
    }

    #[test]
    fn a_vocabulary_is_a_text_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terms.txt");
        fs::write(&path, "Colloquy,\n\nJet Stream\n").unwrap();
        assert_eq!(vocabulary("a, b").unwrap(), "a, b");
        let read = vocabulary(&format!("@{}", path.display()));
        assert_eq!(read.unwrap(), "Colloquy, Jet Stream");
        fs::write(&path, vec![b'x'; 70_000]).unwrap();
        assert!(vocabulary(&format!("@{}", path.display())).is_err());
    }
}
