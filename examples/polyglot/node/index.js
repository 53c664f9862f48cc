console.log("node:", require("left-pad")("1", 3, "0"));
