import Testing

@testable import TandemService

/// config/tandemd.yaml, which people start from.
@Suite(.timeLimit(.minutes(1)))
struct ShippedConfigurationTests {
    private let path = packageRoot + "/config/tandemd.yaml"

    @Test func itHasEveryKeyWithItsDefault() throws {
        let loaded = try ConfigurationLoader(file: path, environment: [:]).load()
        let defaults = ServiceConfiguration()
        for setting in Setting.all {
            #expect(loaded.places[setting.key] != nil, "\(setting.key) is missing")
            #expect(setting.render(loaded.configuration) == setting.render(defaults))
        }
    }

    @Test func itNamesEveryVariableAndOption() throws {
        let words = Set(try readTextFile(path, upTo: 1 << 20).split { " ,\n".contains($0) }.map(String.init))
        for setting in Setting.all {
            #expect(words.contains(setting.environmentVariable), "\(setting.environmentVariable)")
            if let flag = setting.flag { #expect(words.contains(flag), "\(flag)") }
        }
    }
}
