//! Where redacted files go.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// Where the redacted form of a file goes; `None` is standard output.
pub(super) fn target(
    input: &Path,
    output: Option<&Path>,
    several: bool,
    extension: Option<&str>,
) -> anyhow::Result<Option<PathBuf>> {
    let is_input = input.as_os_str() == "-";
    let stem = if is_input {
        "stdin".into()
    } else {
        input.file_stem().unwrap_or(input.as_os_str()).to_owned()
    };
    let mut name = stem;
    name.push(".redacted.");
    name.push(match extension {
        Some(extension) => extension.into(),
        None => input.extension().unwrap_or("txt".as_ref()).to_owned(),
    });
    match output {
        Some(path) if path.as_os_str() == "-" => Ok(None),
        Some(path)
            if several || path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/') =>
        {
            fs::create_dir_all(path)
                .with_context(|| format!("the output folder {} cannot be made", path.display()))?;
            Ok(Some(path.join(name)))
        }
        Some(path) => Ok(Some(path.to_owned())),
        None if extension.is_none() || is_input => Ok(None),
        None => Ok(Some(input.with_file_name(name))),
    }
}

/// Refuses to replace a file, before any work is done for it.
pub(super) fn may_write(target: Option<&Path>, force: bool) -> anyhow::Result<()> {
    match target {
        Some(path) if path.exists() && !force => bail!(
            "{} is there already; replace it with --force, or name another with --output",
            path.display()
        ),
        _ => Ok(()),
    }
}

/// Writes a file that appears whole or not at all, or to standard output.
pub(super) fn store(
    target: Option<&Path>,
    force: bool,
    content: &mut dyn io::Read,
) -> anyhow::Result<()> {
    let Some(target) = target else {
        let mut out = io::stdout().lock();
        return io::copy(content, &mut out)
            .and_then(|_| out.flush())
            .context("the result cannot be written to standard output");
    };
    let problem = || format!("{} cannot be written", target.display());
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut options = tempfile::Builder::new();
    options.prefix(".colloquy-");
    // As any file that is made by a command, within what the umask allows.
    #[cfg(unix)]
    options.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = options
        .tempfile_in(parent.unwrap_or(Path::new(".")))
        .with_context(problem)?;
    io::copy(content, &mut file).with_context(problem)?;
    if force {
        file.persist(target).with_context(problem)?;
    } else {
        file.persist_noclobber(target).with_context(problem)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_names_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let to = |input: &str, output: Option<&str>, several, extension| {
            let output = output.map(|name| folder.path().join(name));
            let target = target(Path::new(input), output.as_deref(), several, extension).unwrap();
            target.map(|path| match path.strip_prefix(folder.path()) {
                Ok(path) => path.display().to_string(),
                Err(_) => path.display().to_string(),
            })
        };
        let name = |text: &str| Some(text.to_owned());
        assert_eq!(
            to("a/call.2.mp3", None, false, Some("opus")),
            name("a/call.2.redacted.opus")
        );
        assert_eq!(to("chat.log", None, false, None), None);
        assert_eq!(to("-", None, false, Some("opus")), None);
        assert_eq!(
            to("chat", Some("out/"), false, None),
            name("out/chat.redacted.txt")
        );
        assert_eq!(
            to("a/b.md", Some("all"), true, None),
            name("all/b.redacted.md")
        );
        assert_eq!(
            to("a.wav", Some("clean.wav"), false, Some("wav")),
            name("clean.wav")
        );
        assert_eq!(
            to("-", Some("out/"), false, Some("wav")),
            name("out/stdin.redacted.wav")
        );
    }
}
