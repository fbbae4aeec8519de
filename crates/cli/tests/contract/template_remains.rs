//! Where templates are in plain form: while they are compared, and nowhere else.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    thread,
    time::Duration,
};

use padan_domain::Embedding;
use padan_inference::Catalogue;
use padan_store::TemplateContent;
use padan_test_service::{BUDI, Claim};

use crate::{
    live_measurement::{enrolled, wait_for_genuine},
    people::store,
    service::TestProgram,
};

/// Bytes of a template that are looked for at once: eight components.
const PIECE: usize = 32;

/// The templates of people, decrypted with the keys of the site.
fn templates(service: &TestProgram, niks: &[&str]) -> Vec<Embedding> {
    let store = service.runtime.block_on(async { store(service) });
    let contract = Catalogue::load(&[]).unwrap().set("sface").unwrap().contract();
    let template = |nik: &&str| {
        let nik = nik.parse().unwrap();
        let stored = service.runtime.block_on(store.templates().get(&nik, &contract)).unwrap().unwrap();
        match stored.content {
            TemplateContent::Usable { embedding, .. } => embedding,
            TemplateContent::Unusable(reason) => panic!("{reason}"),
        }
    };
    niks.iter().map(template).collect()
}

/// Pieces of a template as bytes.
fn pieces(template: &Embedding) -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = template.as_slice().iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes.chunks_exact(PIECE).map(<[u8]>::to_vec).collect()
}

/// How often pieces are in some bytes, at any address that a component may have.
fn count(bytes: &[u8], pieces: &[Vec<u8>]) -> usize {
    let mut begins = vec![false; 1 << 16];
    for piece in pieces {
        begins[usize::from(u16::from_le_bytes([piece[0], piece[1]]))] = true;
    }
    let mut found = 0;
    let mut at = 0;
    // A loop over indices: this runs over hundreds of megabytes, also in builds without optimisation.
    while at + PIECE <= bytes.len() {
        if begins[usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))] {
            found += pieces.iter().filter(|piece| bytes[at..at + PIECE] == piece[..]).count();
        }
        at += 4;
    }
    found
}

/// Counts the pieces in the writable memory of a process. `None` where this user may not read it, as the service wants it.
fn count_in_memory(process: u32, pieces: &[Vec<u8>]) -> Option<usize> {
    let mut memory = match File::open(format!("/proc/{process}/mem")) {
        Ok(memory) => memory,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
        Err(error) => panic!("{error}"),
    };
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut found = 0;
    for line in
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|access| access.starts_with("rw")))
    {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; (to - from) as usize];
        if memory.seek(SeekFrom::Start(from)).is_ok() && memory.read_exact(&mut bytes).is_ok() {
            found += count(&bytes, pieces);
        }
    }
    Some(found)
}

#[test]
fn templates_are_plain_in_memory_only_while_they_are_compared_and_never_in_the_store() {
    let service = enrolled("");
    service.wait_for_metric("padan_impostor_reservoir_people", |people| people >= 4.0);
    for _ in 0..6 {
        assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    }
    wait_for_genuine(&service, 6);
    thread::sleep(Duration::from_secs(1));
    let others = ["3174011403870001", "3174011403870002", "3174011403870003"];
    let templates = templates(&service, &[&others[..], &[BUDI]].concat());
    let pieces: Vec<_> = templates.iter().map(pieces).collect();
    // The search itself finds what is there.
    let own: Vec<u8> = templates[0].as_slice().iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(count(&own, &pieces[0]), own.len() / PIECE);
    let all: Vec<_> = pieces.into_iter().flatten().collect();
    let found = count_in_memory(service.process_id(), &all);
    println!("{found:?} pieces of {} in the memory", all.len());
    assert!(found.is_none_or(|found| found == 0), "{found:?} pieces of templates are in the memory");

    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'store'";
    for table in service.runtime.block_on(service.store.texts(tables)) {
        let rows = format!("SELECT kept::text FROM store.{table} AS kept");
        let rows = service.runtime.block_on(service.store.texts(&rows)).join("\n");
        for piece in &all {
            assert!(!rows.contains(&hex::encode(piece)), "a template is in plain form in store.{table}");
        }
    }
}
