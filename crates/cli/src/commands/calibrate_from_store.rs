//! `padan calibrate --from-store`: the scale of a site's own people, from their templates.

use std::{
    collections::{HashMap, HashSet},
    fs::Permissions,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use padan_domain::{Clock, NationalId, Similarity};
use padan_evaluation::{
    Draw, PeopleGroup, PeopleScales, PeopleSurvey, Population, SamePerson, people_report,
};
use padan_inference::{CalibrationFile, Catalogue, ModelSet, model_folders};
use padan_registry::Registry;
use padan_store::{AdminAct, AnnouncedAct, KeySet, PersonHash, Store, TemplateSample, Templates};
use padan_verification::{calibration_in_use, open_cohort};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;

use crate::{
    commands::{
        enroll::refuse_without_view,
        people_groups::{GroupBy, Grouping, PeopleList},
        report_files::{made_now, write_pages},
    },
    engine::model_set,
    memory_protection::protect_memory,
    service,
    settings::Settings,
};

/// The people of a site, in place of labelled photos
#[derive(Debug, Args)]
pub(crate) struct FromStoreArguments {
    /// Draw people at random from the store and compare their face templates with each other; needs no labels
    ///
    /// Templates of two people are a pair of different persons. Pairs of people who have the same face (two NIKs, one photo
    /// under two NIKs, twins) are told apart and left out. The templates are decrypted in memory and written nowhere. The
    /// database user needs the role `padan_operator`.
    #[arg(long, conflicts_with_all = [
        "pairs", "root", "identities", "leave_out", "impostor_pairs", "device", "precision", "workers",
    ])]
    pub(crate) from_store: bool,
    /// How many people to draw
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000, requires = "from_store",
          value_parser = clap::value_parser!(u32).range(2..=200_000))]
    people: u32,
    /// Groups by what the NIK says; needs the registry (role `padan_enroller`) unless --groups is given
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',', requires = "from_store")]
    group_by: Vec<GroupBy>,
    /// Groups of provinces for `--group-by province`: a list with the columns province (two digits) and group
    #[arg(long, value_name = "CSV", requires = "group_by")]
    provinces: Option<PathBuf>,
    /// A list of people with the column nik and columns of groups, of whom the people are drawn
    #[arg(long, value_name = "CSV", requires = "from_store")]
    groups: Option<PathBuf>,
    /// List the NIKs of people with the same face in this file, which only its owner can read; needs the registry (role
    /// `padan_enroller`) unless --groups is given
    #[arg(long, value_name = "FILE", requires = "from_store")]
    duplicates: Option<PathBuf>,
    /// Another number draws other people
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "from_store")]
    seed: u64,
}

/// How many people of the registry one statement reads.
const ROSTER_PAGE: u32 = 5000;

/// People who were drawn.
struct DrawnPeople {
    sample: TemplateSample,
    /// The NIK of each, as far as it is needed and known.
    niks: Vec<Option<NationalId>>,
}

/// Draws and compares people, lists those with the same face, and makes the calibration. The report is written into `out`.
pub(crate) fn calibrate_from_store(
    arguments: &FromStoreArguments,
    model: Option<&str>,
    mut settings: Settings,
    out: Option<&Path>,
) -> Result<CalibrationFile> {
    let _ = protect_memory();
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    let grouping = Grouping::new(
        arguments.group_by.clone(),
        arguments.provinces.as_deref(),
        Clock::System.today_in_jakarta(),
    )?;
    let list = arguments.groups.as_deref().map(PeopleList::read).transpose()?;
    let (set, in_use, cohort, people) = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::All)?;
        settings.inference.model_set = model_set(model, &settings, &store).await;
        let set = catalogue.set(&settings.inference.model_set)?;
        announce(&store, arguments, &set).await?;
        let in_use = calibration_in_use(&store, &catalogue, &set).await?;
        let people = draw(arguments, &settings, &store.templates(), &set, list.as_ref()).await?;
        let cohort = open_cohort(&store.templates(), &set, &in_use).await?;
        anyhow::Ok((set, in_use, cohort, people))
    })?;
    let used = in_use.calibration_with(cohort)?;
    let DrawnPeople { sample, niks } = people;
    let left_out = sample.left_out();
    eprintln!(
        "{} people were drawn. Left out: {} without a usable face, {} with a covered face, {} whose template cannot be \
         decrypted.",
        sample.people().len(),
        left_out.unusable,
        left_out.covered,
        left_out.unreadable
    );
    let draw = Draw {
        drawn: sample.people().len(),
        without_template: left_out.unusable + left_out.covered + left_out.unreadable,
        seed: arguments.seed,
    };
    let groups = people_groups(&grouping, list.as_ref(), &niks)?;
    let (components, length) = sample.into_components();
    if draw.drawn == 0 {
        bail!("the store has no template of model set {}: run `padan enroll`", set.name());
    }
    let population = Population::new(components, length, groups)?.under(used.transformation())?;
    let survey = PeopleSurvey::of(population);
    report_same_faces(&survey, arguments.duplicates.as_deref(), &niks, &in_use)?;
    let made = made_now();
    let new = survey.calibrate(&set, &in_use, draw, made.on)?;
    if let Some(folder) = out {
        let contract = set.contract();
        let scales = PeopleScales {
            new: &new,
            in_use: &in_use,
            contract: contract.as_str(),
            precision: settings.inference.precision.name(),
        };
        write_pages(folder, &people_report(&survey, &scales, &made)?)?;
    }
    Ok(new)
}

/// Records in the audit trail that templates are about to be decrypted.
async fn announce(store: &Store, arguments: &FromStoreArguments, set: &ModelSet) -> Result<()> {
    let after = json!({
        "contract": set.contract().as_str(),
        "people": arguments.people,
        "seed": arguments.seed,
        "group_by": arguments.group_by.iter().map(|by| by.name()).collect::<Vec<_>>(),
        "from_list": arguments.groups.is_some(),
        "duplicates_listed": arguments.duplicates.is_some(),
    });
    service::announce(store, AnnouncedAct { act: AdminAct::PeopleCompared, before: Value::Null, after }).await
}

async fn draw(
    arguments: &FromStoreArguments,
    settings: &Settings,
    templates: &Templates,
    set: &ModelSet,
    list: Option<&PeopleList>,
) -> Result<DrawnPeople> {
    let mut sample = TemplateSample::new(arguments.people as usize);
    if let Some(list) = list {
        let mut niks: Vec<_> = list.people().cloned().collect();
        niks.sort_by_cached_key(|nik| in_random_order(arguments.seed, nik));
        templates.add_people(&mut sample, &niks, &set.contract()).await?;
        let wanted: HashSet<_> = sample.people().iter().copied().collect();
        let known = with_hashes(templates, &wanted, niks)?;
        return Ok(DrawnPeople { niks: in_order(&sample, &known), sample });
    }
    templates.draw(&mut sample, &set.contract(), arguments.seed).await?;
    if arguments.group_by.is_empty() && arguments.duplicates.is_none() {
        return Ok(DrawnPeople { niks: vec![None; sample.people().len()], sample });
    }
    let registry = Registry::new(&settings.registry)?;
    refuse_without_view(&registry).await?;
    let known = find_in_registry(&registry, templates, &sample).await?;
    let missing = sample.people().len() - known.len();
    if missing > 0 {
        eprintln!("{missing} of the people who were drawn are not in the registry, and belong to no group.");
    }
    Ok(DrawnPeople { niks: in_order(&sample, &known), sample })
}

/// A number by which NIKs are in an order that has nothing to do with them.
fn in_random_order(seed: u64, nik: &NationalId) -> [u8; 32] {
    Sha256::new().chain_update(seed.to_be_bytes()).chain_update(nik.as_str()).finalize().into()
}

/// Reads the whole registry until everybody is found: a hash does not tell the NIK.
async fn find_in_registry(
    registry: &Registry,
    templates: &Templates,
    sample: &TemplateSample,
) -> Result<HashMap<PersonHash, NationalId>> {
    let wanted: HashSet<_> = sample.people().iter().copied().collect();
    let mut known = HashMap::new();
    let mut after = None;
    while known.len() < wanted.len()
        && let Some(range) = registry.next_range(after.as_ref(), ROSTER_PAGE).await?
    {
        let mut last: Option<NationalId> = None;
        loop {
            let page = registry.roster(&range, last.as_ref(), ROSTER_PAGE).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.nik.clone());
            known.extend(with_hashes(templates, &wanted, page.into_iter().map(|entry| entry.nik).collect())?);
        }
        after = Some(range.last);
    }
    Ok(known)
}

/// Those of these people who are wanted, by their hashes.
fn with_hashes(
    templates: &Templates,
    wanted: &HashSet<PersonHash>,
    niks: Vec<NationalId>,
) -> Result<HashMap<PersonHash, NationalId>> {
    let mut found = HashMap::new();
    for nik in niks {
        let hash = templates.person_hash(&nik)?;
        if wanted.contains(&hash) {
            found.insert(hash, nik);
        }
    }
    Ok(found)
}

fn in_order(sample: &TemplateSample, known: &HashMap<PersonHash, NationalId>) -> Vec<Option<NationalId>> {
    sample.people().iter().map(|hash| known.get(hash).cloned()).collect()
}

/// The groups of the people whose NIK is known.
fn people_groups(
    grouping: &Grouping,
    list: Option<&PeopleList>,
    niks: &[Option<NationalId>],
) -> Result<Vec<PeopleGroup>> {
    let mut members: std::collections::BTreeMap<String, Vec<u32>> = std::collections::BTreeMap::new();
    for (at, nik) in niks.iter().enumerate() {
        let Some(nik) = nik else { continue };
        let of_list = list.into_iter().flat_map(|list| list.groups_of(nik));
        for name in grouping.groups_of(nik).into_iter().chain(of_list) {
            members.entry(name).or_default().push(u32::try_from(at)?);
        }
    }
    Ok(members.into_iter().map(|(name, members)| PeopleGroup { name, members }).collect())
}

/// Says how many people have the same face, and lists them where the operator wants it.
fn report_same_faces(
    survey: &PeopleSurvey,
    file: Option<&Path>,
    niks: &[Option<NationalId>],
    in_use: &CalibrationFile,
) -> Result<()> {
    let found = survey.same_person();
    if let Some(cosine) = found.break_cosine() {
        eprintln!(
            "{} pairs from cosine {cosine:.3} on are not of strangers (two NIKs of one person, one photo under two NIKs, \
             twins; about {:.1} of them are strangers after all). {} people were left out for it.",
            found.pairs.len(),
            found.expected_strangers,
            survey.left_out()
        );
    }
    match file {
        Some(file) => write_duplicates(file, found, niks, in_use),
        None if found.pairs.is_empty() => Ok(()),
        None => {
            eprintln!("To list them, run the command with --duplicates FILE.");
            Ok(())
        }
    }
}

/// Writes the pairs into a file that only its owner can read.
fn write_duplicates(
    file: &Path,
    found: &SamePerson,
    niks: &[Option<NationalId>],
    in_use: &CalibrationFile,
) -> Result<()> {
    let scale = in_use.map()?;
    let name = |person: u32| niks[person as usize].as_ref().map_or("not in the registry", NationalId::as_str);
    // Temporary files have mode 0600, also where a file of that name existed with another one.
    let mut list =
        NamedTempFile::new_in(folder_of(file)).with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(list, "nik_a,nik_b,cosine,percentage")?;
    for pair in &found.pairs {
        let percentage = scale.percentage(Similarity::from_cosine(pair.cosine.into())).shown();
        writeln!(list, "{},{},{:.4},{percentage:.2}", name(pair.a), name(pair.b), pair.cosine)?;
    }
    list.as_file().sync_all()?;
    list.persist(file).with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("{} lists {} pairs of people with the same face.", file.display(), found.pairs.len());
    Ok(())
}

/// Writes a calibration, all or nothing. Others may read it.
pub(crate) fn write_calibration(file: &Path, calibration: &CalibrationFile) -> Result<()> {
    let mut unfinished =
        NamedTempFile::new_in(folder_of(file)).with_context(|| format!("cannot write {}", file.display()))?;
    unfinished.write_all(calibration.to_toml()?.as_bytes())?;
    unfinished.as_file().set_permissions(Permissions::from_mode(0o644))?;
    unfinished.as_file().sync_all()?;
    unfinished.persist(file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

/// The folder of a file that may be in the current one.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
