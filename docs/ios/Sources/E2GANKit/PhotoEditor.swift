import CoreGraphics
import CoreImage
import CoreML
import CoreVideo
import Foundation

/// Edits photos with the concepts of a package.
///
/// May be used from any thread; edits take turns, and the caller waits. The first edit with a concept loads its
/// function, which takes longer: ``prepare(_:)`` does that ahead.
public final class PhotoEditor: @unchecked Sendable {
    public let contents: Contents

    public var concepts: [Concept] { contents.concepts }

    private let compiled: URL
    private let computeUnits: MLComputeUnits
    private let context = CIContext()
    private let colours = CGColorSpace(name: CGColorSpace.sRGB)!
    private let lock = NSLock()
    private var models: [String: MLModel]

    /// - Parameter url: an `.mlpackage`, which is compiled first, or the `.mlmodelc` that Xcode made of one.
    public init(contentsOf url: URL, computeUnits: MLComputeUnits = .all) async throws {
        compiled = url.pathExtension == "mlmodelc" ? url : try await MLModel.compileModel(at: url)
        self.computeUnits = computeUnits
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        let first = try await MLModel.load(contentsOf: compiled, configuration: configuration)
        let metadata = first.modelDescription.metadata[.creatorDefinedKey] as? [String: String]
        let contents = try Contents(metadata: metadata ?? [:])
        self.contents = contents
        models = [contents.concepts[0].function: first]
    }

    /// Load a concept's function now.
    public func prepare(_ id: Concept.ID) throws {
        _ = try lock.withLock { try model(for: id) }
    }

    /// Edit a photo: its middle, of the model's shape. The result is as large as the model makes it.
    public func edit(_ photo: CVPixelBuffer, with id: Concept.ID) throws -> CVPixelBuffer {
        try edit(CIImage(cvPixelBuffer: photo), with: id)
    }

    /// Edit a photo: its middle, of the model's shape. The result is as large as the model makes it.
    public func edit(_ photo: CGImage, with id: Concept.ID) throws -> CGImage {
        let edited = CIImage(cvPixelBuffer: try edit(CIImage(cgImage: photo), with: id), options: [.colorSpace: colours])
        guard let image = context.createCGImage(edited, from: edited.extent, format: .RGBA8, colorSpace: colours) else {
            throw EditError.noPicture
        }
        return image
    }

    private func edit(_ photo: CIImage, with id: Concept.ID) throws -> CVPixelBuffer {
        let size = Fit.nearest(of: contents.sizes, to: photo.extent.size)
        let buffer = try render(photo, size: size)
        let input = try MLDictionaryFeatureProvider(dictionary: ["photo": MLFeatureValue(pixelBuffer: buffer)])
        let output = try lock.withLock { try model(for: id).prediction(from: input) }
        guard let edit = output.featureValue(for: "edit")?.imageBufferValue else { throw EditError.noPicture }
        return edit
    }

    private func model(for id: Concept.ID) throws -> MLModel {
        guard let concept = concepts.first(where: { $0.id == id }) else { throw EditError.unknownConcept(id) }
        if let model = models[concept.function] { return model }
        guard #available(iOS 18, macOS 15, *) else { throw EditError.systemTooOld }
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        configuration.functionName = concept.function
        let model = try MLModel(contentsOf: compiled, configuration: configuration)
        models[concept.function] = model
        return model
    }

    private func render(_ photo: CIImage, size: CGSize) throws -> CVPixelBuffer {
        var buffer: CVPixelBuffer?
        let attributes = [kCVPixelBufferIOSurfacePropertiesKey: [:] as CFDictionary] as CFDictionary
        CVPixelBufferCreate(nil, Int(size.width), Int(size.height), kCVPixelFormatType_32BGRA, attributes, &buffer)
        guard let buffer else { throw EditError.noPicture }
        let fitted = photo.transformed(by: Fit.transform(from: photo.extent, to: size))
        context.render(fitted, to: buffer, bounds: CGRect(origin: .zero, size: size), colorSpace: colours)
        return buffer
    }
}
