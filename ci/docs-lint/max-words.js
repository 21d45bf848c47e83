// A textlint rule: no sentence has more than `max` words. Code counts as one word.
const { splitAST } = require("sentence-splitter");
const { StringSource } = require("textlint-util-to-string");

const code = {
  replacer({ node, maskValue }) {
    return node.type === "Code" ? maskValue("X") : undefined;
  },
};

// sentence-splitter does not see the end of a sentence inside emphasis.
const END = /(?<=[.!?:])\s+(?=[A-Z])/;

module.exports = function (context, { max }) {
  const { Syntax, RuleError, report } = context;

  function check(node) {
    for (const sentence of splitAST(node).children) {
      if (sentence.type !== "Sentence") {
        continue;
      }
      for (const part of new StringSource(sentence, code).toString().split(END)) {
        const words = part.split(/\s+/).filter((word) => /\w/.test(word)).length;
        if (words > max) {
          report(sentence, new RuleError(`${words} words in a sentence, at most ${max}`));
        }
      }
    }
  }

  return { [Syntax.Paragraph]: check, [Syntax.TableCell]: check };
};
