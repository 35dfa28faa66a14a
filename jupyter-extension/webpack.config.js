// Read by Jupyter's builder. Without `?v=` Jupyter Server sends "no-cache" with an asset, so that every page load would
// fetch the WebAssembly module anew.
module.exports = {
  output: { assetModuleFilename: '[name].[contenthash][ext]?v=[contenthash]' }
};
