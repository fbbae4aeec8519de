use crate::{preparation_step::PreparationStep, prepare};

/// Rewrites a model file by the step that the first byte chooses.
///
/// # Panics
///
/// When a property does not hold.
pub fn onnx(data: &[u8]) {
    let Some((choice, file)) = data.split_first() else { return };
    let steps = steps(*choice);
    let Ok(prepared) = prepare(file, &steps) else { return };
    // A scale for every 32 weights, two convolutions for each slope, and their names.
    assert!(prepared.len() <= 64 * file.len() + 4096, "{} bytes become {}", file.len(), prepared.len());
    let again = prepare(&prepared, &steps);
    let again = again.inspect_err(|error| panic!("a prepared file is refused: {error}"));
    assert!(again.is_ok_and(|again| again == prepared), "preparing a prepared file changes it");
}

fn steps(choice: u8) -> Vec<PreparationStep> {
    let rename = PreparationStep::Rename { from: "image".to_owned(), to: "input".to_owned() };
    let all = [
        PreparationStep::WeightsOutOfInputs,
        PreparationStep::PreluByConvolutions,
        PreparationStep::EightBitGemm,
        PreparationStep::DynamicSize,
        rename,
    ];
    match all.get(usize::from(choice % 8)) {
        Some(step) => vec![step.clone()],
        None => all.to_vec(),
    }
}
