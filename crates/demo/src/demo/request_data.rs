use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use padan_domain::{CitizenStatus, Embedding, NameRules, NationalId, PersonName, Photo};
use padan_inference::{Analysis, Engine};

use super::people::{People, Person};

/// How many people are tried as the subject of the requests, and as the stranger.
const MAX_CANDIDATES: usize = 40;
const ANALYSIS_TIMEOUT: Duration = Duration::from_secs(30);

/// Photos of the project's sample people, for a folder in which every face is too similar to the subject's.
const FALLBACK_STRANGERS: [&[u8]; 2] = [
    include_bytes!("../../../../people/images/118_s1.jpg"),
    include_bytes!("../../../../people/images/126_s2.jpg"),
];

/// The data from which the eight requests are made.
pub(super) struct RequestData<'a> {
    /// The subject of the requests.
    pub(super) person: &'a Person,
    /// The photo that is sent as the person's selfie.
    pub(super) selfie: PathBuf,
    /// A photo of another person, whose face does not match.
    pub(super) stranger: Bytes,
    /// A name that does not match the person's.
    pub(super) other_name: &'static str,
    /// A NIK that is not in the registry.
    pub(super) unknown_nik: NationalId,
}

impl<'a> RequestData<'a> {
    /// Chooses the first active person in the lists of selfies and strangers. Where a list is missing, the faces are
    /// compared: the selfie is a portrait that passes as one, the stranger the least similar other portrait.
    pub(super) async fn choose(people: &'a People, engine: &Engine) -> Result<Self> {
        let candidates: Vec<&Person> = people
            .all
            .iter()
            .filter(|person| person.status == CitizenStatus::Active && person.portrait.is_some())
            .collect();
        let listed = candidates.iter().find_map(|person| {
            let selfie = people.selfies.as_ref()?.get(&person.nik)?;
            let stranger = people.strangers.as_ref()?.get(&person.nik)?;
            Some((*person, selfie, stranger))
        });
        let (person, selfie, stranger) = match listed {
            Some((person, selfie, stranger)) => (person, people.folder.join(selfie), read(people, stranger)?),
            None => search(people, &candidates, engine).await?,
        };
        Ok(Self {
            person,
            selfie,
            stranger,
            other_name: other_name(&person.name),
            unknown_nik: unknown_nik(people)?,
        })
    }
}

async fn search<'a>(
    people: &People,
    candidates: &[&'a Person],
    engine: &Engine,
) -> Result<(&'a Person, PathBuf, Bytes)> {
    let mut subject = None;
    for person in candidates.iter().take(MAX_CANDIDATES) {
        let Some(portrait) = &person.portrait else { continue };
        let selfie = people.selfies.as_ref().and_then(|selfies| selfies.get(&person.nik)).unwrap_or(portrait);
        let reference = reference(engine, read(people, portrait)?).await;
        let probe = probe(engine, read(people, selfie)?).await;
        if let (Some(reference), Some(probe)) = (reference, probe)
            && passes(engine, &reference.embedding, &probe.embedding)
        {
            subject = Some((*person, portrait, people.folder.join(selfie), reference.embedding));
            break;
        }
    }
    let Some((person, portrait, selfie, reference)) = subject else {
        bail!(
            "none of the first {MAX_CANDIDATES} active people in {} has a portrait with a usable face; the eight \
             requests need one",
            people.folder.join("people.csv").display()
        );
    };
    let listed = people.strangers.as_ref().and_then(|strangers| strangers.get(&person.nik));
    if let Some(stranger) = listed {
        return Ok((person, selfie, read(people, stranger)?));
    }
    let stranger = least_similar(people, candidates, engine, portrait, &reference).await?;
    Ok((person, selfie, stranger))
}

/// The photo that is accepted as a selfie and is least similar to the reference.
async fn least_similar(
    people: &People,
    candidates: &[&Person],
    engine: &Engine,
    own: &Path,
    reference: &Embedding,
) -> Result<Bytes> {
    let mut seen = HashSet::from([own]);
    let others = candidates
        .iter()
        .filter_map(|person| person.portrait.as_deref())
        .filter(|portrait| seen.insert(portrait))
        .take(MAX_CANDIDATES);
    let mut photos = others.map(|portrait| read(people, portrait)).collect::<Result<Vec<_>>>()?;
    photos.extend(FALLBACK_STRANGERS.map(Bytes::from_static));
    let mut least: Option<(f64, Bytes)> = None;
    for bytes in photos {
        let Some(analysis) = probe(engine, bytes.clone()).await else { continue };
        let similarity = engine.calibration().similarity(reference, &analysis.embedding);
        let Some(similarity) = similarity else { continue };
        if least.as_ref().is_none_or(|(cosine, _)| similarity.cosine() < *cosine) {
            least = Some((similarity.cosine(), bytes));
        }
    }
    least
        .filter(|(cosine, _)| *cosine < engine.calibration().pass_cosine())
        .map(|(_, bytes)| bytes)
        .context("every photo in the folder matches the first person's: add a photo of another person")
}

fn read(people: &People, photo: &Path) -> Result<Bytes> {
    let path = people.folder.join(photo);
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes.into())
}

async fn probe(engine: &Engine, bytes: Bytes) -> Option<Analysis> {
    engine.probe(Photo::try_from(bytes).ok()?, Instant::now() + ANALYSIS_TIMEOUT).await.ok()
}

async fn reference(engine: &Engine, bytes: Bytes) -> Option<Analysis> {
    engine.reference(Photo::try_from(bytes).ok()?, Instant::now() + ANALYSIS_TIMEOUT).await.ok()
}

fn passes(engine: &Engine, a: &Embedding, b: &Embedding) -> bool {
    let calibration = engine.calibration();
    calibration.similarity(a, b).is_some_and(|similarity| calibration.percentage(similarity).passes())
}

/// The first of two invented names that does not match the person's name under any rule.
fn other_name(name: &str) -> &'static str {
    const INVENTED: [&str; 2] = ["Wahyu Prasetyo", "Kirana Larasati"];
    const LOOSEST: NameRules = NameRules { jaro_winkler: Some(0.7), ..NameRules::DEFAULT };
    let is_same = |invented: &str| {
        let parsed = PersonName::parse(name).ok().zip(PersonName::parse(invented).ok());
        parsed.is_some_and(|(a, b)| a.compare(&b, &LOOSEST).is_some())
    };
    if is_same(INVENTED[0]) { INVENTED[1] } else { INVENTED[0] }
}

/// A NIK with the serial number 0000, which is never issued, so that no real person has it.
fn unknown_nik(people: &People) -> Result<NationalId> {
    let taken: HashSet<&NationalId> = people.all.iter().map(|person| &person.nik).collect();
    (1..=31)
        .flat_map(|day| (0..100).map(move |year| format!("317401{day:02}01{year:02}0000")))
        .filter_map(|text| text.parse().ok())
        .find(|nik| !taken.contains(nik))
        .context("people.csv contains every NIK that the demo could use as an unknown one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_name_does_not_match() {
        assert_eq!(other_name("Budi Santoso"), "Wahyu Prasetyo");
        assert_eq!(other_name("Dr. Wahyu Prasetyo"), "Kirana Larasati");
    }
}
