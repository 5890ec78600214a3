import Foundation

/// A concept of a package: one edit.
public struct Concept: Codable, Hashable, Identifiable, Sendable {
    public let id: String
    public let title: String
    public let version: String
    public let prompt: String
    public let license: String
    public let authors: [String]
    public let description: String
    /// The package's function that makes the edit; "main" where the concept is alone in its package.
    public let function: String
}

/// What a package says about itself, as `e2gan export coreml` wrote it.
public struct Contents: Sendable {
    public let concepts: [Concept]
    /// Width and height in pixels of the photos it takes; the usual size first.
    public let sizes: [[Int]]
    /// SHA-256 of the base model that the concepts were made for.
    public let baseDigest: String

    private struct Base: Codable {
        let sha256: String
    }

    /// - Parameter metadata: the model's creator-defined metadata.
    public init(metadata: [String: String]) throws {
        concepts = try Self.decode("e2gan.concepts", of: metadata)
        sizes = try Self.decode("e2gan.sizes", of: metadata)
        let base: Base = try Self.decode("e2gan.base", of: metadata)
        baseDigest = base.sha256
        guard !concepts.isEmpty, sizes.allSatisfy({ $0.count == 2 && $0.allSatisfy { $0 > 0 } }), !sizes.isEmpty else {
            throw EditError.notOurs("concepts and sizes")
        }
    }

    private static func decode<T: Decodable>(_ key: String, of metadata: [String: String]) throws -> T {
        guard let text = metadata[key], let value = try? JSONDecoder().decode(T.self, from: Data(text.utf8)) else {
            throw EditError.notOurs(key)
        }
        return value
    }
}

/// Why an edit is not to be had.
public enum EditError: Error, LocalizedError, Equatable {
    /// The model lacks, or garbles, something that `e2gan export coreml` writes.
    case notOurs(String)
    case unknownConcept(String)
    /// Several concepts in a package need iOS 18 or macOS 15.
    case systemTooOld
    case noPicture

    public var errorDescription: String? {
        switch self {
        case .notOurs(let what): "The model was not written by e2gan export coreml: \(what) cannot be read."
        case .unknownConcept(let id): "The package has no concept “\(id)”."
        case .systemTooOld: "A package of several concepts needs iOS 18 or macOS 15."
        case .noPicture: "The model gave no picture."
        }
    }
}
