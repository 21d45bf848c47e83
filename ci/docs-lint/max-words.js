// A textlint rule: no sentence has more than `max` words. Code counts as one word.
const { splitAST } = require("sentence-splitter");
const { StringSource } = require("textlint-util-to-string");

const code = {
  replacer({ node, maskValue }) {
    return node.type === "Code" ? maskValue("x") : undefined;
  },
};

module.exports = function (context, { max }) {
  const { Syntax, RuleError, report } = context;

  function check(node) {
    for (const sentence of splitAST(node).children) {
      if (sentence.type !== "Sentence") {
        continue;
      }
      const words = new StringSource(sentence, code).toString().split(/\s+/).filter((word) => /\w/.test(word));
      if (words.length > max) {
        report(sentence, new RuleError(`${words.length} words in a sentence, at most ${max}`));
      }
    }
  }

  return { [Syntax.Paragraph]: check, [Syntax.TableCell]: check };
};
