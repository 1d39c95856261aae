internal import FoundationEssentials

/// What the registry says about one version of a package.
public struct Manifest: Codable, Hashable, Sendable {
    /// The name of the package.
    public var package: String
    /// The version.
    public var version: String
    /// The SHA-256 of the archive, in hexadecimal digits.
    public var checksum: String

    /// Creates a manifest.
    public init(package: String, version: String, checksum: String) {
        self.package = package
        self.version = version
        self.checksum = checksum
    }
}

/// The value of a resource.
public enum RegistryValue: Hashable, Sendable {
    /// The versions of a package, oldest first.
    case versions([String])
    /// The manifest of a version.
    case manifest(Manifest)
    /// The archive of a version.
    case archive([UInt8])

    /// The versions. The value must be one of `.versions`.
    public var versions: [String] {
        guard case .versions(let versions) = self else { preconditionFailure("not a list of versions: \(self)") }
        return versions
    }

    /// The manifest. The value must be one of `.manifest`.
    public var manifest: Manifest {
        guard case .manifest(let manifest) = self else { preconditionFailure("not a manifest: \(self)") }
        return manifest
    }

    /// The archive. The value must be one of `.archive`.
    public var archive: [UInt8] {
        guard case .archive(let bytes) = self else { preconditionFailure("not an archive: \(self)") }
        return bytes
    }
}

/// Something that the registry serves. The key of the cache and of the flights.
public enum Resource: Hashable, Sendable {
    /// The versions of a package.
    case versions(of: String)
    /// The manifest of a version.
    case manifest(of: String, version: String)
    /// The archive of a version, with the checksum that it must have.
    case archive(of: String, version: String, checksum: String)

    /// The path at the registry.
    public var path: String {
        switch self {
        case .versions(let package): "/\(package)"
        case .manifest(let package, let version): "/\(package)/\(version)"
        case .archive(let package, let version, _): "/\(package)/\(version).tar"
        }
    }

    /// The checksum that the bytes must have; nil if no checksum is known.
    public var checksum: String? {
        guard case .archive(_, _, let checksum) = self else { return nil }
        return checksum
    }

    /// Reads the value from the body of an answer. Throws `RegistryError` `malformed` or `wrongChecksum`.
    public func value(of body: [UInt8], attempts: Int) throws(RegistryError) -> RegistryValue {
        struct Versions: Decodable { var versions: [String] }
        do {
            switch self {
            case .versions: return .versions(try JSONDecoder().decode(Versions.self, from: Data(body)).versions)
            case .manifest: return .manifest(try JSONDecoder().decode(Manifest.self, from: Data(body)))
            case .archive: break
            }
        } catch {
            throw RegistryError(.malformed, path: path, status: 200, attempts: attempts)
        }
        guard sha256(of: body) == checksum else {
            throw RegistryError(.wrongChecksum, path: path, status: 200, attempts: attempts)
        }
        return .archive(body)
    }
}
