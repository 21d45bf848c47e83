local testing = require "kong.response.testing"


describe("the schema of my-plugin", function()
  it("has a default for the header", function()
    local row = assert(testing.validate("my-plugin", {}))
    assert.equal("apikey", row.config.header)
  end)

  it("refuses a header that is no string", function()
    local row, errors = testing.validate("my-plugin", { header = 1 })
    assert.is_nil(row)
    assert.same({ config = { header = "expected a string" } }, errors)
  end)
end)
