internal import Dispatch
internal import RegistryModel

/// The file cache, on a thread of libdispatch: the caller is suspended while it waits for the disk.
struct FileQueue: Sendable {
    private let files: FileCache
    private let queue = DispatchQueue(label: "registry.files")

    init(directory: String) { files = FileCache(directory: directory) }

    func read(_ checksum: String) async -> [UInt8]? { await run { $0.read(checksum) } }

    func write(_ bytes: [UInt8], _ checksum: String) async { await run { $0.write(bytes, checksum) } }

    private func run<Success: Sendable>(_ body: @escaping @Sendable (FileCache) -> Success) async -> Success {
        await withCheckedContinuation { continuation in
            queue.async { [files] in continuation.resume(returning: body(files)) }
        }
    }
}
