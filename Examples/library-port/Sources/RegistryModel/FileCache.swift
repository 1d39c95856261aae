internal import FoundationEssentials

/// Archives in a directory, one file per checksum. Blocking: each call waits for the disk.
public struct FileCache: Sendable {
    private let directory: String

    /// Creates a cache in a directory that exists.
    public init(directory: String) { self.directory = directory }

    /// Returns the archive with this checksum; nil if there is no such file, or if the file is damaged.
    public func read(_ checksum: String) -> [UInt8]? {
        guard let data = try? Data(contentsOf: file(checksum)), sha256(of: [UInt8](data)) == checksum else { return nil }
        return [UInt8](data)
    }

    /// Keeps an archive. An archive that cannot be written is not kept.
    public func write(_ bytes: [UInt8], _ checksum: String) { try? Data(bytes).write(to: file(checksum), options: .atomic) }

    private func file(_ checksum: String) -> URL { URL(filePath: directory).appending(path: checksum) }
}
