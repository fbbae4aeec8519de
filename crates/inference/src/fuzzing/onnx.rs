use prost::Message as _;

use crate::{
    manifest::EightBitLayer,
    onnx::ModelProto,
    preparation_step::PreparationStep,
    prepare::{prepare, take_weights_out_of_inputs, with_batches, with_eight_bit_layers},
};

/// Rewrites a model file by the step that the first byte chooses.
///
/// # Panics
///
/// When a property does not hold.
pub fn onnx(data: &[u8]) {
    let Some((choice, file)) = data.split_first() else { return };
    let steps = steps(*choice);
    weights_that_stay_encoded(file);
    layers_of_8_bits(file);
    runs_on_several_inputs(file);
    let Ok(prepared) = prepare(file, &steps) else { return };
    // A scale for every 32 weights, two convolutions for each slope, and their names.
    assert!(prepared.len() <= 64 * file.len() + 4096, "{} bytes become {}", file.len(), prepared.len());
    let again = prepare(&prepared, &steps);
    let again = again.inspect_err(|error| panic!("a prepared file is refused: {error}"));
    assert!(again.is_ok_and(|again| again == prepared), "preparing a prepared file changes it");
}

/// Weights are removed from the inputs in the same way, whether they are decoded or not.
fn weights_that_stay_encoded(file: &[u8]) {
    let encoded = take_weights_out_of_inputs(file.to_vec());
    let Ok(decoded) = prepare(file, &[PreparationStep::WeightsOutOfInputs]) else { return };
    let encoded =
        encoded.unwrap_or_else(|error| panic!("a file is refused while its weights are encoded: {error}"));
    // As bytes, since numbers that are not a number are never equal.
    let encoded = ModelProto::decode(encoded.as_slice()).map(|model| model.encode_to_vec());
    assert_eq!(encoded, Ok(decoded), "weights that stay encoded give another graph");
}

/// The first layer computes with 8 bits, or the file is refused.
fn layers_of_8_bits(file: &[u8]) {
    let Ok(model) = ModelProto::decode(file) else { return };
    let mut nodes = model.graph.iter().flat_map(|graph| &graph.node);
    let Some(first) = nodes.find(|node| matches!(node.op_type(), "Conv" | "Gemm")) else { return };
    let layer = EightBitLayer { layer: first.name().to_owned(), from: -1.0, to: 3.0 };
    let Ok(rewritten) = with_eight_bit_layers(file.to_vec(), &[layer]) else { return };
    // A name five times, and a scale for each row.
    assert!(rewritten.len() <= 64 * file.len() + 4096, "{} bytes become {}", file.len(), rewritten.len());
}

/// A second rewriting for several inputs changes nothing.
fn runs_on_several_inputs(file: &[u8]) {
    let Ok(rewritten) = with_batches(file.to_vec()) else { return };
    let again = with_batches(rewritten.clone());
    let again = again.inspect_err(|error| panic!("a rewritten file is refused: {error}"));
    assert!(again.is_ok_and(|again| again == rewritten), "a second rewriting changes the file");
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
