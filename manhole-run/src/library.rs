//! Where libmanhole.so is. Runs in the launcher.

use std::env::consts::ARCH;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::refusal::{NO_MANHOLE, Refusal};
use crate::target::{self, Machine};

/// The name of the library's file, by which an earlier preload is recognised too.
pub(crate) const FILE_NAME: &str = "libmanhole.so";

/// The environment variable that says where the library is, for those who cannot give `--lib`.
pub(crate) const LIBRARY_VARIABLE: &str = "MANHOLE_LIB";

/// The library and the kind of machine that it is for.
#[derive(Debug)]
pub(crate) struct Library {
    /// Absolute, so that it is found whatever directory the program changes to.
    pub(crate) path: PathBuf,
    pub(crate) machine: Machine,
}

/// Finds and checks the library: the one that is asked for (a file, or a directory that holds it), else one near
/// `directory`, where manhole-run is.
pub(crate) fn find(
    asked: Option<(&str, &Path)>,
    directory: Option<&Path>,
) -> Result<Library, Refusal> {
    let path = match asked {
        Some((_, path)) if path.is_dir() => path.join(FILE_NAME),
        Some((_, path)) => path.to_owned(),
        None => nearby(directory)?,
    };
    let source = asked.map_or("", |(source, _)| source);
    check(&path).map_err(|refusal| match source {
        "" => refusal,
        source => refusal.within(source),
    })
}

/// Where the library may be, seen from the directory of manhole-run: in a build tree, and as packages install it.
fn nearby(directory: Option<&Path>) -> Result<PathBuf, Refusal> {
    let missing = |where_not: String| {
        let reason = format!("{FILE_NAME} was not found {where_not}");
        Err(Refusal::new(NO_MANHOLE, reason).remedy(format!(
            "say where it is: --lib PATH, or {LIBRARY_VARIABLE}"
        )))
    };
    let Some(directory) = directory else {
        return missing("because /proc/self/exe cannot be read".to_owned());
    };
    let prefix = directory.parent().unwrap_or(directory);
    let multiarch = format!("lib/{ARCH}-linux-gnu");
    let candidates = [
        directory.to_owned(),
        prefix.join("lib/libmanhole"),
        prefix.join("lib"),
        prefix.join(&multiarch).join("libmanhole"),
        prefix.join(&multiarch),
        prefix.join("lib64/libmanhole"),
        prefix.join("lib64"),
    ];
    let found = candidates
        .iter()
        .map(|candidate| candidate.join(FILE_NAME))
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => missing(format!(
            "beside manhole-run in {} nor under {}",
            directory.display(),
            prefix.join("lib").display()
        )),
    }
}

fn check(path: &Path) -> Result<Library, Refusal> {
    let refused = |reason: String| Err(Refusal::new(NO_MANHOLE, reason));
    let shown = path.display();
    let absolute = match std::path::absolute(path) {
        Ok(absolute) => absolute,
        Err(error) => return refused(format!("{shown} cannot be made an absolute path: {error}")),
    };
    match target::machine_of_library(&absolute) {
        Ok(Some(machine)) => {
            refuse_unpreloadable(absolute.as_os_str())?;
            Ok(Library {
                path: absolute,
                machine,
            })
        }
        Ok(None) => refused(format!("{shown} is no shared library")),
        Err(error) => refused(format!("{shown} cannot be read: {error}")),
    }
}

/// A path that means something else in LD_PRELOAD than it means elsewhere (ld.so(8)).
fn refuse_unpreloadable(path: &OsStr) -> Result<(), Refusal> {
    let special = [
        (b' ', "a space", "separates the entries of"),
        (b':', "a colon", "separates the entries of"),
        (b'$', "a dollar sign", "begins a substitution in"),
    ];
    for (byte, name, effect) in special {
        if path.as_bytes().contains(&byte) {
            let shown = path.to_string_lossy();
            let reason = format!("{shown} has {name} in it, which {effect} LD_PRELOAD");
            let remedy = "move or link the library to a path without it, and give that as --lib";
            return Err(Refusal::new(NO_MANHOLE, reason).remedy(remedy));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::compile;
    use std::fs;

    #[test]
    fn it_is_found_where_packages_put_it() {
        let root = tempfile::tempdir().unwrap();
        let library = compile(root.path(), "library", "", &["-shared", "-fPIC"]);
        let bin = root.path().join("bin");
        for place in [
            "bin".to_owned(),
            "lib/libmanhole".to_owned(),
            "lib".to_owned(),
            format!("lib/{ARCH}-linux-gnu"),
            format!("lib/{ARCH}-linux-gnu/libmanhole"),
            "lib64".to_owned(),
        ] {
            let directory = root.path().join(&place);
            fs::create_dir_all(&directory).unwrap();
            let path = directory.join(FILE_NAME);
            fs::copy(&library, &path).unwrap();
            let found = find(None, Some(&bin)).unwrap();
            assert_eq!(found.path, path, "{place}");
            fs::remove_file(&path).unwrap();
        }
        let refusal = find(None, Some(&bin)).unwrap_err();
        assert_eq!(refusal.code, NO_MANHOLE);
        assert!(refusal.reason.contains("was not found"), "{refusal}");
    }

    #[test]
    fn what_is_asked_for_may_be_a_file_or_its_directory() {
        let root = tempfile::tempdir().unwrap();
        let library = compile(root.path(), FILE_NAME, "", &["-shared", "-fPIC"]);
        for asked in [library.as_path(), root.path()] {
            let found = find(Some(("--lib", asked)), None).unwrap();
            assert_eq!(found.path, library);
        }
    }

    #[test]
    fn unusable_libraries_are_explained() {
        let root = tempfile::tempdir().unwrap();
        let library = compile(root.path(), "ok.so", "", &["-shared", "-fPIC"]);
        let text = root.path().join("text.so");
        fs::write(&text, "no library").unwrap();
        for (name, said) in [
            ("a b.so", "has a space in it"),
            ("a:b.so", "has a colon in it"),
            ("a$LIB.so", "has a dollar sign in it"),
        ] {
            let path = root.path().join(name);
            fs::copy(&library, &path).unwrap();
            let refusal = find(Some(("--lib", &path)), None).unwrap_err();
            assert!(refusal.reason.contains(said), "{refusal}");
            assert!(refusal.reason.starts_with("--lib: "), "{refusal}");
        }
        let missing = root.path().join("missing.so");
        for (path, said) in [
            (&text, "is no shared library"),
            (&missing, "cannot be read"),
        ] {
            let refusal = find(Some(("--lib", path)), None).unwrap_err();
            assert_eq!(refusal.code, NO_MANHOLE);
            assert!(refusal.reason.contains(said), "{refusal}");
        }
    }
}
