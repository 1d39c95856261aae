internal import Glibc

/// The sockets that libcurl has opened here and not closed.
///
/// libcurl 7.88 now and then closes one that is cancelled while it connects without calling the function that it was given for
/// that (curl issue 11439). Those are found out: the number is free, or somebody else's.
struct OpenSockets {
    private var inodes: [CInt: ino_t] = [:]
    /// With as many it is time to look for forgotten ones.
    private var most = 64

    var count: Int { inodes.count }

    /// Adds one that has just been opened. Returns how many turn out to be closed.
    mutating func opened(_ fd: CInt) -> Int {
        // The kernel gives a number out again only when it is free.
        var forgotten = inodes.removeValue(forKey: fd) == nil ? 0 : 1
        if inodes.count >= most {
            forgotten += dropForgotten()
            most = max(64, inodes.count * 2)
        }
        inodes[fd] = OpenSockets.inode(of: fd)
        return forgotten
    }

    /// Takes one out that is about to be closed. Returns whether it was in.
    mutating func closing(_ fd: CInt) -> Bool { inodes.removeValue(forKey: fd) != nil }

    /// Takes those out that are closed. Returns how many.
    mutating func dropForgotten() -> Int {
        let before = inodes.count
        inodes = inodes.filter { OpenSockets.inode(of: $0.key) == $0.value }
        return before - inodes.count
    }

    /// 0 for a number that is free.
    private static func inode(of fd: CInt) -> ino_t {
        var status = stat()
        return fstat(fd, &status) == 0 ? status.st_ino : 0
    }
}
