use crate::{
    model_error::ModelError,
    onnx::{self, AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto},
    prepare::graph::{drop_unused_weights, value_names},
};

/// Number of weights that share a scale. They are neighbours in one row, which computes one value of the output.
const BLOCK: usize = 32;

/// The domain of the runtime's own operators.
const DOMAIN: &str = "com.microsoft";

/// The accuracy level at which the runtime may also round the layer's input to 8 bits, by blocks.
const ACCURACY_LEVEL_8_BITS: usize = 4;

/// Quantises the weights of each fully connected layer to 8 bits.
///
/// For a single picture, such a layer reads each weight once, and these reads dominate its time: a quarter of the bytes
/// takes a quarter of the time.
pub(super) fn rewrite(model: &mut ModelProto) -> Result<(), ModelError> {
    let Some(graph) = model.graph.as_mut() else { return Ok(()) };
    let mut nodes = Vec::with_capacity(graph.node.len());
    let mut new_tensors = Vec::new();
    for node in &graph.node {
        match layer(graph, node) {
            Some(layer) => {
                let weights = layer.pack()?;
                nodes.push(layer.node(&weights));
                new_tensors.extend(weights);
            }
            None => nodes.push(node.clone()),
        }
    }
    if new_tensors.is_empty() {
        return Ok(());
    }
    let taken = value_names(graph);
    if let Some(tensor) = new_tensors.iter().find(|tensor| taken.contains(tensor.name())) {
        return Err(ModelError::Graph(format!("{} is already the name of a value", tensor.name())));
    }
    graph.node = nodes;
    graph.initializer.append(&mut new_tensors);
    drop_unused_weights(graph);
    if !model.opset_import.iter().any(|set| set.domain() == DOMAIN) {
        let (domain, version) = (Some(DOMAIN.to_owned()), Some(1));
        model.opset_import.push(OperatorSetIdProto { domain, version });
    }
    Ok(())
}

/// A fully connected layer: `outputs` rows of `inputs` weights.
struct Layer<'a> {
    gemm: &'a NodeProto,
    output: &'a str,
    weights: &'a TensorProto,
    inputs: usize,
    outputs: usize,
}

/// The fully connected layer of a node; `None` for any other node, and for a layer whose rows cannot be divided into
/// blocks.
fn layer<'a>(graph: &'a GraphProto, gemm: &'a NodeProto) -> Option<Layer<'a>> {
    let ([_, weights, ..], [output], "Gemm") = (&gemm.input[..], &gemm.output[..], gemm.op_type()) else {
        return None;
    };
    let attribute = |name: &str| gemm.attribute.iter().find(|attribute| attribute.name() == name);
    let integer = |name| attribute(name).map_or(0, AttributeProto::i);
    let factor = |name| attribute(name).map_or(1.0, AttributeProto::f);
    // The replacing operator multiplies by rows and does not scale.
    if (integer("transA"), integer("transB")) != (0, 1) || [factor("alpha"), factor("beta")] != [1.0; 2] {
        return None;
    }
    let weights = graph.initializer.iter().find(|tensor| tensor.name() == weights)?;
    let [outputs, inputs] = weights.dims[..] else { return None };
    let (outputs, inputs) = (usize::try_from(outputs).ok()?, usize::try_from(inputs).ok()?);
    (inputs > 0 && inputs.is_multiple_of(BLOCK)).then_some(Layer { gemm, output, weights, inputs, outputs })
}

impl Layer<'_> {
    /// The weights as integers around 128, and the scale of each block.
    fn pack(&self) -> Result<[TensorProto; 2], ModelError> {
        let weights = onnx::floats(self.weights)?;
        let mut packed = Vec::with_capacity(weights.len());
        let mut scales = Vec::with_capacity(weights.len() / BLOCK * size_of::<f32>());
        for block in weights.chunks(BLOCK) {
            let largest = block.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            scales.extend(scale.to_le_bytes());
            packed.extend(block.iter().map(|weight| ((weight / scale).round() + 128.0) as u8));
        }
        let blocks = self.inputs / BLOCK;
        let tensor = |part: &str, dims: &[usize], data_type, raw_data: Vec<u8>| TensorProto {
            dims: dims.iter().map(|&length| i64::try_from(length).unwrap_or(i64::MAX)).collect(),
            data_type: Some(data_type),
            name: Some(format!("{}/gemm/{part}", self.output)),
            raw_data: Some(raw_data.into()),
            ..TensorProto::default()
        };
        Ok([
            tensor("packed", &[self.outputs, blocks, BLOCK], onnx::UINT8, packed),
            tensor("scales", &[self.outputs * blocks], onnx::FLOAT, scales),
        ])
    }

    fn node(&self, [packed, scales]: &[TensorProto; 2]) -> NodeProto {
        let attribute = |name: &str, value: usize| AttributeProto {
            name: Some(name.to_owned()),
            kind: Some(onnx::INT),
            i: i64::try_from(value).ok(),
            ..AttributeProto::default()
        };
        let mut input = vec![self.gemm.input[0].clone(), packed.name().to_owned(), scales.name().to_owned()];
        if let Some(bias) = self.gemm.input.get(2) {
            // The two inputs in between, zero points and a block order, are unused.
            input.extend([String::new(), String::new(), bias.clone()]);
        }
        NodeProto {
            input,
            output: self.gemm.output.clone(),
            name: self.gemm.name.clone(),
            op_type: Some("MatMulNBits".to_owned()),
            domain: Some(DOMAIN.to_owned()),
            attribute: vec![
                attribute("K", self.inputs),
                attribute("N", self.outputs),
                attribute("bits", 8),
                attribute("block_size", BLOCK),
                attribute("accuracy_level", ACCURACY_LEVEL_8_BITS),
            ],
            ..NodeProto::default()
        }
    }
}
