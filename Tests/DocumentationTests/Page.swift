import Glibc

/// A Markdown file of the repository, read line by line.
struct Page: Sendable, CustomStringConvertible {
    /// A block of code between two fences.
    struct Block: Sendable {
        /// What stands behind the opening fence: a language, and the name of a file if the block is one.
        let info: [Substring]
        /// The line of the opening fence.
        let line: Int
        let code: [Substring]
        /// The HTML comment on the line before the fence.
        let remark: Substring?
    }

    /// The path from the root of the repository.
    let path: String
    let lines: [Substring]
    var description: String { path }

    init(_ path: String) {
        self.path = path
        lines = Repository.text(of: path).split(separator: "\n", omittingEmptySubsequences: false)
    }

    private static func isFence(_ line: Substring) -> Bool { line.trimmed.hasPrefix("```") }

    var blocks: [Block] {
        var blocks: [Block] = []
        var start: Int?
        for (number, line) in lines.enumerated() where Page.isFence(line) {
            guard let opening = start else {
                start = number
                continue
            }
            let before = lines[..<opening].last { !$0.trimmed.isEmpty }?.trimmed
            blocks.append(
                Block(
                    info: lines[opening].trimmed.dropFirst(3).split(separator: " "), line: opening + 1,
                    code: Array(lines[(opening + 1)..<number]), remark: before?.hasPrefix("<!--") == true ? before : nil))
            start = nil
        }
        return blocks
    }

    /// The lines outside code blocks, with their numbers.
    var prose: [(number: Int, line: Substring)] {
        var isCode = false
        return lines.enumerated().compactMap { number, line in
            if Page.isFence(line) { isCode.toggle() }
            return isCode || Page.isFence(line) ? nil : (number + 1, line)
        }
    }

    /// The anchors that GitHub gives the headings.
    var anchors: Set<String> {
        var anchors: Set<String> = []
        for (_, line) in prose {
            guard let heading = line.firstMatch(of: /^#{1,6} +(.*)$/)?.1 else { continue }
            let text = heading.replacing(/\[([^\]]*)\]\([^)]*\)/) { $0.1 }.lowercased()
            let anchor = String(
                text.compactMap { $0 == " " ? "-" : $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" ? $0 : nil })
            let again = (0...).lazy.map { $0 == 0 ? anchor : "\(anchor)-\($0)" }.first { !anchors.contains($0) }!
            anchors.insert(again)
        }
        return anchors
    }

    /// The targets of the links, with the numbers of their lines.
    var links: [(number: Int, target: Substring)] {
        let text = prose.map { (number: $0.number, line: $0.line.replacing(/`[^`]*`/, with: "")) }
        let inline = text.flatMap { number, line in
            line.matches(of: /\]\(([^()\s]+)\)/).map { (number: number, target: $0.1) }
        }
        return inline + text.flatMap { number, line in line.matches(of: /^\[[^\]]+\]: +(\S+)/).map { (number, $0.1) } }
    }
}

/// The files of the repository that the tests were built from.
enum Repository {
    /// The package's directory; it may be built through links.
    static let root = {
        let here = realpath(#filePath, nil)!
        defer { free(here) }
        return String(cString: here).split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    }()

    /// The text of a file; empty if it cannot be read.
    static func text(of path: String) -> String {
        guard let file = fopen("\(root)/\(path)", "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = getc_unlocked(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func exists(_ path: String) -> Bool { access("\(root)/\(path)", F_OK) == 0 }

    /// The paths of the files below a folder, except hidden ones.
    static func files(below folder: String = "", suffix: String, where enters: (String) -> Bool = { _ in true }) -> [String] {
        guard let directory = opendir(folder.isEmpty ? root : "\(root)/\(folder)") else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(cString: $0.bindMemory(to: CChar.self).baseAddress!) }
            if name.hasPrefix(".") { continue }
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            if entry.pointee.d_type == DT_DIR {
                if enters(path) { found += files(below: path, suffix: suffix, where: enters) }
            } else if name.hasSuffix(suffix) {
                found.append(path)
            }
        }
        return found.sorted()
    }

    static let pages = files(suffix: ".md").map(Page.init)

    /// README.md, and the pages of docs/.
    static let guides = pages.filter { $0.path == "README.md" || $0.path.hasPrefix("docs/") }

    /// The Swift files that building this package compiles. Packages of their own are left out, except their manifests.
    static let compiled = {
        let own = ["Sources", "Tests", "Examples", "Snippets"]
        let sources = own.flatMap { files(below: $0, suffix: ".swift") { !exists("\($0)/Package.swift") } }
        let manifests = own.flatMap { files(below: $0, suffix: "Package.swift") }
        return ["Package.swift"] + sources + manifests
    }()
}

extension Substring {
    var trimmed: Substring {
        var text = self.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// The line without its indentation, and with one blank for several.
    var normalized: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
