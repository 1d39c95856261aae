import Testing

@testable import TandemDaemon

/// config/tandemd.yaml, the template for configurations. `tandemd settings` prints it.
@Suite(.timeLimit(.minutes(1)))
struct ShippedConfigurationTests {
    private let path = packageRoot + "/config/tandemd.yaml"

    @Test func `the file equals the output of the command settings`() throws {
        let shipped = try readTextFile(path, upTo: 1 << 20)
        #expect(shipped == schema.commentedYAML, "run: swift run tandemd settings > config/tandemd.yaml")
    }

    @Test func `the file contains every key with its default`() throws {
        let loaded = try ConfigurationLoader(file: path, environment: [:]).load()
        for setting in schema.settings {
            #expect(loaded.places[setting.key] != nil, "\(setting.key) is missing")
            #expect(loaded.texts(of: setting) == setting.defaultTexts)
        }
    }

    @Test func `the page on configuration contains the table of all keys`() throws {
        let page = try readTextFile(packageRoot + "/docs/configuration.md", upTo: 1 << 20)
        #expect(page.contains(schema.markdownTable), "paste the output of: swift run tandemd settings --markdown")
    }
}
