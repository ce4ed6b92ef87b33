// The package has types of its own, but is not there wherever this is compiled.
declare module "faiss-node" {
  const faiss: import("./binding.ts").Binding
  export default faiss
}
