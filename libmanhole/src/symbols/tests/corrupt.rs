//! Corrupt files: every answer is allowed, a panic or an endless loop is not.
//!
//! Context: test.

use super::*;

fn exercise(path: &Path) -> usize {
    crate::symbols::exercise::file(path.to_str().unwrap().as_bytes())
}

/// Marsaglia's xorshift: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn two_thousand_corrupt_files() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.c");
    std::fs::write(&source, SOURCE.replace("M64 M64", "M")).unwrap();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut answered = 0;
    let zstd = offers("objcopy", "zstd");
    let flags = [
        &["-g"][..],
        &["-g", "-gdwarf-4", "-ggnu-pubnames"],
        &["-g", "-gz=zlib"],
        &["-g", "-O2", "-x", "c++"],
        &["-g", "-gsplit-dwarf"],
        &["-g", "-DZSTD"],
    ];
    for flags in flags {
        let path = directory.path().join("whole.so");
        let mut compiler = Command::new("gcc");
        compiler.current_dir(&directory).args(["-shared", "-fPIC", "-O1"]).args(flags);
        run(compiler.arg(&source).arg("-o").arg(&path));
        if zstd && flags.contains(&"-DZSTD") {
            tool("objcopy", &["--compress-debug-sections=zstd"], &path);
        }
        let whole = std::fs::read(&path).unwrap();
        assert!(exercise(&path) > 100);
        // Where a flip matters: the headers, and the sections that are read.
        let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
        let mut targets: Vec<core::ops::Range<usize>> =
            vec![0..64, whole.len() - file.sections.len() * 64..whole.len()];
        for section in &file.sections {
            let wanted = section.name.starts_with(b".debug")
                || section.name.ends_with(b"tab")
                || section.name.starts_with(b".note");
            let bytes = file.raw(section).ok().filter(|bytes| wanted && bytes.len() > 8);
            let start = bytes.as_ref().and_then(|bytes| whole.windows(bytes.len()).position(|window| window == bytes));
            targets.extend(start.zip(bytes).map(|(start, bytes)| start..start + bytes.len()));
        }
        assert!(targets.len() > 8);
        let corrupt = directory.path().join("corrupt.so");
        for _ in 0..350 {
            let mut bytes = whole.clone();
            for _ in 0..=numbers.below(6) {
                let target = &targets[numbers.below(targets.len())];
                let at = target.start + numbers.below(target.len());
                bytes[at] = match numbers.below(4) {
                    0 => 0xff,
                    1 => 0x7f,
                    2 => bytes[at] ^ (1 << numbers.below(8)),
                    _ => numbers.below(256) as u8,
                };
            }
            if numbers.below(20) == 0 {
                bytes.truncate(numbers.below(whole.len()));
            }
            std::fs::write(&corrupt, bytes).unwrap();
            answered += usize::from(exercise(&corrupt) > 0);
        }
    }
    assert!(answered > 1000, "the corruption is so bad that nothing is tested: {answered}");
}

#[test]
fn what_a_section_claims_is_compared_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.c");
    std::fs::write(&source, SOURCE).unwrap();
    let path = directory.path().join("a.so");
    run(Command::new("gcc").args(["-shared", "-fPIC", "-g", "-gz=zlib"]).arg(&source).arg("-o").arg(&path));
    let whole = std::fs::read(&path).unwrap();
    let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
    let info = file.debug_section("info").unwrap();
    let header = file.raw(info).unwrap()[..24].to_vec();
    // The size after decompression.
    let at = whole.windows(24).position(|window| window == header).unwrap() + 8;
    let mut bytes = whole.clone();
    bytes[at + 7] = 0x10;
    std::fs::write(&path, bytes).unwrap();
    let store = Store::default();
    let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
    let problem = lines_of(&store, &file, "a.so").unwrap().err().unwrap();
    assert!(problem.contains("claims"), "{problem}");
    // The size in the section's header: 2^60 bytes.
    let table = u64::from_le_bytes(whole[40..48].try_into().unwrap()) as usize;
    for i in 1..file.sections.len() {
        let mut bytes = whole.clone();
        bytes[table + i * 64 + 32 + 7] = 0x10;
        std::fs::write(&path, bytes).unwrap();
        exercise(&path);
    }
    let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
    let last = file.sections.last().unwrap();
    assert!(file.raw(last).err().unwrap().contains("the file ends before"));
}
